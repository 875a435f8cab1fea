//! Letters about usage.
use super::{Action, Draft, Letter, Site};

/// A budget reached a level.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'a> {
    /// The account's name.
    pub account: &'a str,
    /// Whose usage it is about.
    pub of: &'a str,
    /// Of what.
    pub meter: &'a str,
    /// 50, 80 or 100.
    pub percent: i64,
    /// How much was used.
    pub used: &'a str,
    /// How much may be.
    pub limit: &'a str,
    /// Whether keys are refused when it is used up.
    pub is_hard: bool,
    /// When it runs out at this pace, in words.
    pub runs_out: Option<&'a str>,
    /// Where usage is shown.
    pub link: &'a str,
}

/// Tells `to` how far a budget is used.
pub fn budget_reached(site: &Site<'_>, to: &str, it: &Reached<'_>) -> Letter {
    let Reached { account, of, meter, percent, used, limit, is_hard, runs_out, link } = it;
    let is_over = *percent >= 100;
    let what = if is_over { "is used up".to_owned() } else { format!("is used to {percent}%") };
    let then = match (is_over, is_hard) {
        (true, true) => "Its keys are refused until the month ends (UTC), or until somebody raises it.",
        (true, false) => "Nothing is refused: this budget only tells.",
        (false, true) => "When it is used up, its keys are refused until the month ends (UTC).",
        (false, false) => "When it is used up, nothing is refused: this budget only tells.",
    };
    let out = runs_out.map(|it| format!("At this pace it is used up on {it}."));
    Draft {
        subject: format!("A budget of {account} {what}"),
        title: format!("A budget {what}"),
        lead: format!("This month’s budget of {meter} for {of} {what}: {used} of {limit}."),
        lines: out.into_iter().chain([then.to_owned()]).collect(),
        action: Some(Action::new("See the usage", *link)),
        ..Draft::default()
    }
    .letter(site, to)
}
