//! Tests of the driver: `faulty.html` has every fault that the other tests look for, so that those can fail.

use super::*;

const FAULTY: &str =
    concat!("file://", env!("CARGO_MANIFEST_DIR"), "/tests/console/browser/driver/faulty.html");

#[tokio::test]
async fn the_browser_acts_as_a_user_and_reports_what_is_wrong() {
    let phone = Browser::open(Theme::Dark, 390).await;
    phone.goto(FAULTY).await;
    phone.wait_for("With script").await;
    assert!(phone.main().await.contains("dark 390"));

    let errors = phone.console_errors().await;
    assert!(errors.iter().any(|error| error.contains("broken on purpose")), "{errors:?}");
    let violations = phone.axe().await;
    assert!(violations.iter().any(|violation| violation.starts_with("color-contrast")), "{violations:?}");

    phone.press("Control+k").await;
    phone.wait_for("Palette").await;
    phone.press("Tab").await;
    assert_eq!(phone.focused().await, "Name");

    phone.click_beside("Bob", "Open").await;
    assert!(phone.url().await.ends_with("#bob"));

    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("ballot.png");
    phone.screenshot(&picture).await;
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn a_window_without_javascript_submits_a_form() {
    let window = Browser::without_script(Theme::Light, 1440).await;
    window.goto(FAULTY).await;
    assert!(window.main().await.contains("Without script"));

    window.fill("Name", "Ada").await;
    window.fill("Born", "1815-12-10").await;
    window.select("Role", "Owner").await;
    window.click("I am sure").await;
    window.click("Send the ballot").await;
    let sent = window.url().await;
    assert!(sent.ends_with("?name=Ada&born=1815-12-10&role=Owner&sure=on"), "{sent}");
}
