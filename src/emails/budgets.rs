//! Emails about budgets of usage.
use super::{Action, EmailDraft, EmailMessage, Site};

/// A budget that has reached a level at which people are notified.
#[derive(Clone, Copy, Debug)]
pub struct BudgetUsage<'a> {
    /// The account's name.
    pub account: &'a str,
    /// What the budget is for: the account, a team, a member, a key or a resource.
    pub of: &'a str,
    pub meter: &'a str,
    /// 50, 80 or 100.
    pub percent: i64,
    /// In words.
    pub used: &'a str,
    /// In words.
    pub limit: &'a str,
    /// Whether requests are refused once it is used up.
    pub is_hard: bool,
    /// When it will be used up at the current pace, in words.
    pub runs_out: Option<&'a str>,
    /// The page of the usage.
    pub link: &'a str,
}

/// To the owner and the people who manage billing.
pub fn budget_reached(site: &Site<'_>, to: &str, budget: &BudgetUsage<'_>) -> EmailMessage {
    let BudgetUsage { account, of, meter, percent, used, limit, is_hard, runs_out, link } = budget;
    let is_over = *percent >= 100;
    let what = if is_over { "is used up".to_owned() } else { format!("is {percent}% used") };
    let consequence = match (is_over, is_hard) {
        (true, true) => {
            "Requests with its keys are refused until the month ends (UTC) or somebody raises it."
        }
        (true, false) => "Nothing is refused: this budget only notifies.",
        (false, true) => "When it is used up, requests with its keys are refused until the month ends (UTC).",
        (false, false) => "When it is used up, nothing is refused: this budget only notifies.",
    };
    let forecast = runs_out.map(|day| format!("At this pace it will be used up on {day}."));
    EmailDraft {
        subject: format!("A budget of {account} {what}"),
        title: format!("A budget {what}"),
        lead: format!("This month’s budget of {meter} for {of} {what}: {used} of {limit}."),
        lines: forecast.into_iter().chain([consequence.to_owned()]).collect(),
        action: Some(Action::new("See the usage", *link)),
        ..EmailDraft::default()
    }
    .render(site, to)
}
