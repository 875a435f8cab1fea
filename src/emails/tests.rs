use super::*;

const SITE: Site<'_> = Site { host: "console.example.com", base_url: "https://console.example.com" };
const NASTY: [&str; 5] = [
    "<b>Bold</b> & \"quoted\" 'x'",
    "Mara\r\nBcc: x@evil.example\n\n<script>alert(1)</script>",
    "\u{202e}elpoep\u{2066} שלום عالم",
    "🏛️👩🏽‍🚀 Ünïcode\u{0}\u{2028}Z",
    "{{ draft.subject }}{% include \"x\" %}",
];

/// Every email, with `name` wherever people type.
fn all(name: &str) -> Vec<EmailMessage> {
    let person = Sender { name, email: "mara@northlight.example" };
    let link =
        Link { url: "https://console.example.com/x/AbC?a=1&b=2", until: "November 28, 2026, 14:32 (UTC)" };
    let change = EmailChange { old: "old@x.example", new: name, at: link.until };
    let transfer = Transfer {
        owner: person,
        recipient: Sender { name, email: "noor@lumenpost.example" },
        account: name,
        kind: "organization",
        until: link.until,
        link: "https://console.example.com/a/northlight/settings",
    };
    let (to, s) = ("noor@lumenpost.example", &SITE);
    let invite = Invitation {
        inviter: person,
        account: name,
        kind: "team",
        roles: &[name.to_owned(), "Admin".to_owned()],
        may: &[name.to_owned()],
        organization: Some(name),
        link,
    };
    let request = AccessRequest {
        asker: person,
        account: name,
        may: "Delete resources",
        permission: "resources.delete",
        resource: Some(name),
        note: name,
        link: transfer.link,
    };
    let grant = AccessGrant {
        by: person,
        account: name,
        may: request.may,
        role: name,
        resource: Some(name),
        until: Some(link.until),
        link: transfer.link,
    };
    let needed = SsoNeeded { account: name, by: person, is_enforced: false, path: "/sso/northlight" };
    vec![
        sso_linked(s, to, name, name),
        sso_needed(s, to, &needed),
        sso_needed(s, to, &SsoNeeded { is_enforced: true, ..needed }),
        sso_lifted(s, to, name, "the DNS record of northlight.example was missing for seven days"),
        sso_code_used(s, to, name, name),
        join_requested(s, to, name, name, person.email, "/a/northlight/sso/domains"),
        access_requested(s, to, &request),
        access_requested(s, to, &AccessRequest { resource: None, note: "", ..request }),
        access_granted(s, to, &grant),
        access_granted(s, to, &AccessGrant { resource: None, until: None, ..grant }),
        access_declined(s, to, person, name, request.may),
        factor_changed(s, to, FactorChange::PasskeyAdded(name), link.until),
        factor_changed(s, to, FactorChange::Reset, link.until),
        new_browser(s, to, &SignIn { at: link.until, ip: "203.0.113.9", browser: name }),
        confirm_sign_up(s, to, &link),
        sign_up_known(s, to),
        reset_password(s, to, &link),
        password_changed(s, to, link.until),
        confirm_email_change(s, to, &change, &link),
        email_change_notice(s, to, &change),
        email_changed(s, to, &change),
        invitation(s, to, &invite),
        invitation(s, to, &Invitation { roles: &[], may: &[], organization: None, ..invite }),
        membership_removed(s, to, &Removal { account: name, kind: "team" }),
        membership_restored(s, to, &Restoration { account: name, kind: "team", link: transfer.link }),
        account_deleted(s, to, &Deletion { account: name, kind: "team", by: person, at: link.until }),
        transfer_offered(s, to, &transfer),
        transfer_offered_owner(s, to, &transfer),
        transfer_accepted(s, to, &transfer),
        transfer_declined(s, to, &transfer),
        transfer_withdrawn(s, to, &transfer),
        transfer_expired(s, to, &transfer),
    ]
    .into_iter()
    .chain(billing(name))
    .collect()
}

fn billing(name: &str) -> Vec<EmailMessage> {
    let (to, s) = ("noor@lumenpost.example", &SITE);
    let lines = [name.to_owned(), "Developer plan, October 2026: €49.00".to_owned()];
    let invoice = Invoice {
        number: "GH-2026-0011",
        account: name,
        what: "October 2026",
        total: "€1,284.00",
        due: "Nov 30, 2026",
        is_settled: false,
        is_charged: false,
        pay_to: &lines,
        link: "https://console.example.com/a/northlight/invoices/GH-2026-0011",
        lines: &[],
    };
    let failure = PaymentFailure {
        number: invoice.number,
        account: name,
        total: invoice.total,
        why: name,
        link: invoice.link,
    };
    let budget = BudgetUsage {
        account: name,
        of: name,
        meter: "Credits",
        percent: 80,
        used: "40,000",
        limit: "50,000",
        is_hard: true,
        runs_out: Some("Nov 26"),
        link: "https://console.example.com/a/northlight/usage",
    };
    vec![
        invoice_issued(s, to, &invoice),
        invoice_issued(s, to, &Invoice { is_charged: true, ..invoice }),
        invoice_issued(s, to, &Invoice { is_settled: true, link: "", lines: &lines, ..invoice }),
        payment_failed(s, to, &failure),
        budget_reached(s, to, &budget),
        budget_reached(s, to, &BudgetUsage { percent: 100, runs_out: None, ..budget }),
        budget_reached(s, to, &BudgetUsage { percent: 100, is_hard: false, ..budget }),
    ]
}

#[test]
fn an_invoice_says_how_it_is_paid() {
    let all = billing("Mara");
    let [owed, charged, settled, ..] = all.as_slice() else { panic!("{all:?}") };
    assert!(owed.text.contains("Please pay by Nov 30, 2026 and quote the invoice number, GH-2026-0011."));
    assert!(charged.text.contains("You do not need to do anything."));
    assert!(settled.text.contains("There is nothing to pay.") && !settled.text.contains("Please pay"));
}

/// The tags of a document, in order; a raw `<` in a text shows as one more.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|tag| tag.split(['>', ' ']).next()).collect()
}

#[test]
fn a_name_stays_text() {
    let plain = all("Mara");
    for name in NASTY {
        for (email, plain) in all(name).iter().zip(&plain) {
            assert_eq!(tags(&email.html), tags(&plain.html), "{name:?} adds a tag to {email:?}");
            assert_eq!(
                email.text.matches("\n\n").count(),
                plain.text.matches("\n\n").count(),
                "{}",
                email.text
            );
            for part in [&email.subject, &email.text, &email.html] {
                assert!(!part.contains(['\r', '\0', '\u{2028}', '\u{202e}', '\u{2066}']), "{part:?}");
            }
        }
    }
}

#[test]
fn a_subject_is_one_short_line() {
    let long = "🏛 long\n".repeat(500);
    for name in NASTY.into_iter().chain([long.as_str()]) {
        for email in all(name) {
            assert!(!email.subject.contains(char::is_control), "{:?}", email.subject);
            assert!(
                (1..=EmailMessage::MAX_SUBJECT).contains(&email.subject.chars().count()),
                "{:?}",
                email.subject
            );
        }
    }
}

#[test]
fn both_parts_say_the_same() {
    for email in all("Mara") {
        let text = email.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for paragraph in email.html.split("<p ").skip(2).filter_map(|p| p.split(['>', '<']).nth(1)) {
            let sentence = paragraph.replace("If the button does not work, open this address:", "");
            assert!(text.contains(sentence.trim()), "{sentence:?} is not in {text}");
        }
        assert!(email.text.lines().all(|line| line.starts_with("https://") || line.chars().count() <= WIDTH));
        assert!(!email.text.contains("\n\n\n"), "{}", email.text);
    }
}

#[test]
fn a_bearer_link_is_in_both_parts_and_not_in_debug() {
    let link = Link { url: "https://console.example.com/reset-password/s3cret", until: "tomorrow" };
    let email = reset_password(&SITE, "noor@lumenpost.example", &link);
    assert!(email.text.contains(&format!("\n{}\n", link.url)));
    assert_eq!(email.html.matches(&format!("href=\"{}\"", link.url)).count(), 2);
    assert!(!format!("{email:?}").contains("s3cret"));
}
