//! The second factor: behind a password, or for a session that was made with one factor where an organization asks for two.
use crate::{
    crypto::passkey::Party,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Anyone, SignedIn},
        passkeys,
        reauth::WRONG_CODE,
        routes::Routes,
        sign_in::{self, Arrival, Half},
    },
    model::{access::Person, id::UserId},
    store::{
        self,
        factors::{self, Ways},
        users,
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/sign-in/second", show)
        .post("/sign-in/second", answer)
        .post("/sign-in/second/challenge", challenge)
}

/// Wrong codes in a quarter of an hour: of a user from one address, and from anywhere. Who guesses knows the password already;
/// a browser that the user signed in with before is counted for itself, so that they cannot be locked out.
const OF_USER_THERE: u32 = 10;
const OF_USER: u32 = 30;

fn counted(user: UserId, ip: &str, is_known: bool) -> Vec<(String, u32)> {
    if is_known {
        return vec![(format!("second factor of {user} with a known browser"), OF_USER_THERE)];
    }
    vec![
        (format!("second factor of {user} from {ip}"), OF_USER_THERE),
        (format!("second factor of {user}"), OF_USER),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    code: String,
    credential: String,
    with: String,
    next: String,
}

/// Who stands here.
enum Visitor {
    /// Has proven one factor, and is not signed in.
    Half(Half),
    /// Is signed in, by one factor.
    In(SignedIn),
}

impl Visitor {
    async fn of(anyone: &Anyone) -> Result<Option<Visitor>> {
        // First who signs in anew, though they are in another way.
        if let Some(half) = sign_in::half(anyone).await? {
            return Ok(Some(Visitor::Half(half)));
        }
        Ok(anyone.signed_in().map(Visitor::In))
    }
    fn user(&self) -> UserId {
        match self {
            Visitor::Half(it) => it.user,
            Visitor::In(it) => it.me().person.id,
        }
    }
    fn next<'a>(&'a self, typed: &'a str) -> &'a str {
        match self {
            Visitor::Half(it) => &it.next,
            Visitor::In(_) => typed,
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in/second.html")]
struct Second {
    email: String,
    next: String,
    is_signed_in: bool,
    by_recovery: bool,
    ways: Ways,
    takes_passkeys: bool,
    faults: Faults,
}

async fn show(anyone: Anyone, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    let Some(visitor) = Visitor::of(&anyone).await? else { return Ok(page.to("/sign-in")) };
    let is_done = matches!(&visitor, Visitor::In(it) if it.me().session.two_factors);
    if is_done {
        return Ok(page.to(sign_in::safe_next(&it.next).unwrap_or("/")));
    }
    draw(&anyone, &page, &visitor, &it, Faults::default()).await
}

async fn draw(
    anyone: &Anyone,
    page: &Page,
    visitor: &Visitor,
    it: &Typed,
    faults: Faults,
) -> Result<Response> {
    let (person, ways) = known(anyone, visitor.user()).await?;
    if matches!(visitor, Visitor::Half(_)) && !ways.has_second() {
        // It went meanwhile: the password alone is enough again.
        return Ok(page.to("/sign-in"));
    }
    let second = Second {
        email: person.email,
        next: visitor.next(&it.next).to_owned(),
        is_signed_in: matches!(visitor, Visitor::In(_)),
        by_recovery: it.with == "recovery" || !ways.has_app(),
        takes_passkeys: ways.passkeys > 0 && Party::of(&anyone.kit().rules).is_some(),
        ways,
        faults,
    };
    page.plain("Second factor", second)
}

async fn known(anyone: &Anyone, user: UserId) -> Result<(Person, Ways)> {
    let mut scope = anyone.read();
    let it = users::get(&mut scope, user).await?.ok_or(Error::SignedOut)?;
    let ways = factors::ways(&mut scope, user).await?;
    Ok((Person { id: it.id, name: it.name, email: it.email }, ways))
}

async fn challenge(anyone: Anyone) -> Result<Response> {
    let visitor = Visitor::of(&anyone).await?.ok_or(Error::SignedOut)?;
    let ids = store::passkeys::credential_ids(&mut anyone.read(), visitor.user()).await?;
    passkeys::challenge(anyone.kit(), anyone.session(), &ids).await
}

async fn answer(anyone: Anyone, page: Page, headers: HeaderMap, Form(it): Form<Typed>) -> Result<Response> {
    let Some(visitor) = Visitor::of(&anyone).await? else {
        return Ok(page.failed("/sign-in", "That took too long. Sign in again."));
    };
    let is_known = sign_in::is_known(&anyone, &headers, visitor.user());
    if let Err(error) = check(&anyone, &visitor, &it, is_known).await {
        let (status, faults) = Faults::catch(error)?;
        return draw(&anyone, &page.with(status), &visitor, &it, faults).await;
    }
    let next = visitor.next(&it.next);
    match &visitor {
        Visitor::Half(half) => {
            let arrival = Arrival { user: half.user, method: &half.method, two_factors: true, next };
            sign_in::arrive(&anyone, &page, &headers, &arrival).await
        }
        Visitor::In(signed) => {
            sign_in::raise(signed).await?;
            Ok(page.to(sign_in::safe_next(next).unwrap_or("/")))
        }
    }
}

async fn check(anyone: &Anyone, visitor: &Visitor, it: &Typed, is_known: bool) -> Result<()> {
    let user = visitor.user();
    if it.code.trim().is_empty() && it.credential.is_empty() {
        return Err(Error::invalid("code", "required", "Enter a code."));
    }
    let attempt = anyone.app().throttle().attempt(&counted(user, &anyone.client().ip(), is_known))?;
    if it.credential.is_empty() {
        let (person, _) = known(anyone, user).await?;
        let taken = anyone.change(async |change| factors::take_code(change, &person, &it.code).await).await?;
        if !taken {
            return Err(Error::invalid("code", "wrong", WRONG_CODE));
        }
    } else {
        let signing = passkeys::signing(anyone.session(), anyone.kit().now()).await?;
        let answer = &it.credential;
        anyone.change(async |change| passkeys::check(change, signing, answer, Some(user)).await).await?;
    }
    attempt.forgive();
    Ok(())
}
