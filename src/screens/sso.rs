//! Single sign-on: signing in through an organization's identity provider, and the pages on which administrators set it up.
mod backchannel_logout;
mod break_glass;
mod callback;
mod domains;
mod enforcement;
mod flow_cookie;
mod link;
mod login;
mod settings;
mod test;

use crate::http::routes::Routes;

pub fn routes() -> Routes {
    let all = [
        login::routes(),
        callback::routes(),
        test::routes(),
        link::routes(),
        backchannel_logout::routes(),
        break_glass::routes(),
        settings::routes(),
        domains::routes(),
        enforcement::routes(),
    ];
    all.into_iter().fold(Routes::default(), Routes::merge)
}
