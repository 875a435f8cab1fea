use super::{
    usage::{Reached, budget_reached},
    *,
};

const SITE: Site<'_> = Site { host: "console.example.com", base_url: "https://console.example.com" };
const NASTY: [&str; 5] = [
    "<b>Bold</b> & \"quoted\" 'x'",
    "Mara\r\nBcc: x@evil.example\n\n<script>alert(1)</script>",
    "\u{202e}elpoep\u{2066} שלום عالم",
    "🏛️👩🏽‍🚀 Ünïcode\u{0}\u{2028}Z",
    "{{ it.subject }}{% include \"x\" %}",
];

/// Every letter there is, with `name` wherever people type.
fn all(name: &str) -> Vec<Letter> {
    let person = Person { name, email: "mara@northlight.example" };
    let link =
        Link { url: "https://console.example.com/x/AbC?a=1&b=2", until: "November 28, 2026, 14:32 (UTC)" };
    let change = EmailChange { old: "old@x.example", new: name, at: link.until };
    let transfer = Transfer {
        owner: person,
        recipient: Person { name, email: "noor@lumenpost.example" },
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
    let access = Access {
        asker: person,
        account: name,
        may: "Delete resources",
        permission: "resources.delete",
        resource: Some(name),
        note: name,
        link: transfer.link,
    };
    let given = Given {
        by: person,
        account: name,
        may: access.may,
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
        access_requested(s, to, &access),
        access_requested(s, to, &Access { resource: None, note: "", ..access }),
        access_granted(s, to, &given),
        access_granted(s, to, &Given { resource: None, until: None, ..given }),
        access_declined(s, to, person, name, access.may),
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
        membership_restored(s, to, &Return { account: name, kind: "team", link: transfer.link }),
        account_deleted(s, to, &Deletion { account: name, kind: "team", by: person, at: link.until }),
        transfer_offered(s, to, &transfer),
        transfer_offered_owner(s, to, &transfer),
        transfer_accepted(s, to, &transfer),
        transfer_declined(s, to, &transfer),
        transfer_withdrawn(s, to, &transfer),
        transfer_expired(s, to, &transfer),
    ]
    .into_iter()
    .chain(bills(name))
    .collect()
}

/// Those about usage and bills.
fn bills(name: &str) -> Vec<Letter> {
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
    let failure = Failure {
        number: invoice.number,
        account: name,
        total: invoice.total,
        why: name,
        link: invoice.link,
    };
    let budget = Reached {
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
        budget_reached(s, to, &Reached { percent: 100, runs_out: None, ..budget }),
        budget_reached(s, to, &Reached { percent: 100, is_hard: false, ..budget }),
    ]
}

#[test]
fn a_bill_says_what_to_do() {
    let all = bills("Mara");
    let [owed, charged, settled, ..] = all.as_slice() else { panic!("{all:?}") };
    assert!(owed.text.contains("Please pay it until Nov 30, 2026, and name GH-2026-0011."));
    assert!(charged.text.contains("You need not do anything."));
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
        for (letter, plain) in all(name).iter().zip(&plain) {
            assert_eq!(tags(&letter.html), tags(&plain.html), "{name:?} adds a tag to {letter:?}");
            assert_eq!(
                letter.text.matches("\n\n").count(),
                plain.text.matches("\n\n").count(),
                "{}",
                letter.text
            );
            for part in [&letter.subject, &letter.text, &letter.html] {
                assert!(!part.contains(['\r', '\0', '\u{2028}', '\u{202e}', '\u{2066}']), "{part:?}");
            }
        }
    }
}

#[test]
fn a_subject_is_one_short_line() {
    let long = "🏛 long\n".repeat(500);
    for name in NASTY.into_iter().chain([long.as_str()]) {
        for letter in all(name) {
            assert!(!letter.subject.contains(char::is_control), "{:?}", letter.subject);
            assert!((1..=SUBJECT).contains(&letter.subject.chars().count()), "{:?}", letter.subject);
        }
    }
}

#[test]
fn both_parts_say_the_same() {
    for letter in all("Mara") {
        let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for paragraph in letter.html.split("<p ").skip(2).filter_map(|p| p.split(['>', '<']).nth(1)) {
            let said = paragraph.replace("If the button does nothing, open this address:", "");
            assert!(text.contains(said.trim()), "{said:?} is not in {text}");
        }
        assert!(
            letter.text.lines().all(|line| line.starts_with("https://") || line.chars().count() <= WIDTH)
        );
        assert!(!letter.text.contains("\n\n\n"), "{}", letter.text);
    }
}

#[test]
fn a_bearer_link_is_in_both_parts_and_not_in_debug() {
    let link = Link { url: "https://console.example.com/reset-password/s3cret", until: "tomorrow" };
    let letter = reset_password(&SITE, "noor@lumenpost.example", &link);
    assert!(letter.text.contains(&format!("\n{}\n", link.url)));
    assert_eq!(letter.html.matches(&format!("href=\"{}\"", link.url)).count(), 2);
    assert!(!format!("{letter:?}").contains("s3cret"));
}
