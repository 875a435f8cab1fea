//! What a gateway is told about keys: every verdict, in its order; out of memory, and never out of a memory that is not true.
mod limits;
mod processes;

use crate::harness::{House, Person, Program, Said, each};
use axum::http::Method;
use guildhall::model::token::Scope;
use serde_json::{Value, json};
use std::time::Duration;

pub const DAY: Duration = Duration::from_secs(86_400);

/// A gateway, and what it asks.
pub struct Gateway(pub Program);

impl Gateway {
    pub async fn of(house: &House) -> Gateway {
        Gateway(house.service(&[Scope::Verify]).await)
    }
    pub async fn send(&self, body: &Value) -> Said {
        self.0.call(Method::POST, "/api/v1/keys/verify", body).await
    }
    /// The answer about a key, asked for more.
    pub async fn asks(&self, key: &Program, more: Value) -> Value {
        let mut body = json!({ "key": key.secret });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send(&body).await.is(200).json()
    }
    pub async fn code(&self, key: &Program, more: Value) -> String {
        let said = self.asks(key, more).await;
        assert_eq!(said["valid"], said["code"] == "VALID", "{said}");
        said["code"].as_str().unwrap().to_owned()
    }
}

async fn resource(key: &Program, product: &str, external_id: &str, visibility: &str) -> String {
    let kind = if product == "video" { "index" } else { "image_source" };
    let body = json!({ "product": product, "kind": kind, "name": external_id, "external_id": external_id,
        "visibility": visibility });
    let made = key.call(Method::POST, "/api/v1/accounts/acme/resources", &body).await.is(201).json();
    made["id"].as_str().unwrap().to_owned()
}

struct Acme {
    ada: Person,
    bob: Person,
    key: Program,
    bobs: Program,
    gateway: Gateway,
}

async fn acme(house: &House) -> Acme {
    let ada = house.user("Ada Byron", "ada@acme.test").await;
    house.organization(&ada, "Acme").await;
    house.tamper("update accounts set plan = 'enterprise'").await;
    let bob = house.user("Bob", "bob@acme.test").await;
    house.join(&ada, "acme", &bob, &["member"]).await;
    let (key, bobs) = (house.key("acme", &ada).await, house.key("acme", &bob).await);
    Acme { ada, bob, key, bobs, gateway: Gateway::of(house).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_key_says_whose_it_is() {
    each(async |house| {
        let _watch = house.watch();
        let Acme { ada, bob, key, bobs, gateway } = acme(house).await;
        let said = gateway.asks(&key, json!({})).await;
        assert_eq!((&said["valid"], &said["code"]), (&json!(true), &json!("VALID")));
        assert_eq!(said["account"]["slug"], "acme");
        assert_eq!(
            (&said["account"]["kind"], &said["account"]["plan"]),
            (&json!("organization"), &json!("enterprise"))
        );
        assert_eq!(said["user"], json!({ "id": ada.id, "email": "ada@acme.test" }));
        assert_eq!(said["roles"], json!(["owner"]));
        let limit = &said["ratelimit"];
        assert_eq!((&limit["limit"], &limit["remaining"]), (&json!(6000), &json!(5999)));
        assert!(limit["reset"].as_u64().unwrap() <= 60);
        assert!(said["key_id"].is_string());
        assert_eq!(gateway.asks(&bobs, json!({})).await["roles"], json!(["member"]));
        // Its use is written down, beside the request.
        for _ in 0..100 {
            if house.count("select count(*) from api_keys where used_at is not null").await == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(house.count("select count(*) from api_keys where used_at is not null").await, 2);
        assert_eq!(gateway.asks(&bobs, json!({})).await["user"]["email"], bob.email);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verdict_in_its_order() {
    each(async |house| {
        let _watch = house.watch();
        let Acme { ada, bob, key, bobs, gateway } = acme(house).await;
        let none = json!({});
        // Nothing that is known: the same for what is no key, what nobody made, and a key of another kind.
        let chance = &house.kit.chance;
        for it in ["", "gh_key_x", "nonsense", &key.secret[..20], &gateway.0.secret,
            &guildhall::kit::secret::machine_key(guildhall::kit::secret::KeyKind::Key, chance)]
        {
            let said = gateway.asks(&house.program(it), none.clone()).await;
            let absent = json!({ "valid": false, "code": "NOT_FOUND", "key_id": null, "account": null, "user": null,
                "roles": [], "ratelimit": null });
            assert_eq!(said, absent, "{it}");
        }
        // What the member may, and where.
        let shared = resource(&key, "video", "vid_1", "shared").await;
        resource(&key, "video", "vid_2", "private").await;
        resource(&key, "image", "img_1", "shared").await;
        let named = |product: &str, external: &str| {
            let kind = if product == "video" { "index" } else { "image_source" };
            json!({ "product": product, "kind": kind, "external_id": external })
        };
        for (asked, code, bobs_code) in [
            (json!({ "permission": "members.view" }), "VALID", "FORBIDDEN"),
            (json!({ "permission": "resources.run" }), "VALID", "VALID"),
            (json!({ "permission": "resources.run", "resource": shared }), "VALID", "VALID"),
            (json!({ "permission": "resources.run", "resource": named("video", "vid_2") }), "VALID", "FORBIDDEN"),
            (json!({ "resource": named("video", "vid_2") }), "VALID", "FORBIDDEN"),
            (json!({ "resource": named("video", "vid_3") }), "FORBIDDEN", "FORBIDDEN"),
            (json!({ "resource": "no-such-id" }), "FORBIDDEN", "FORBIDDEN"),
            (json!({ "resource": shared, "product": "image" }), "FORBIDDEN", "FORBIDDEN"),
            (json!({ "permission": "resources.create", "product": "image" }), "VALID", "VALID"),
            (json!({ "permission": null, "resource": null, "product": null }), "VALID", "VALID"),
            (json!({ "cost": 6001 }), "RATE_LIMITED", "RATE_LIMITED"),
            (json!({ "cost": 6001, "permission": "members.view" }), "RATE_LIMITED", "FORBIDDEN"),
            (json!({ "cost": 0 }), "VALID", "VALID"),
        ] {
            assert_eq!(gateway.code(&key, asked.clone()).await, code, "{asked}");
            assert_eq!(gateway.code(&bobs, asked.clone()).await, bobs_code, "{asked}");
        }
        // A role over a product, changed: at once.
        let seat = house.membership("acme", &bob).await;
        let roles = format!("/a/acme/members/{seat}/roles");
        ada.post(&roles, &[("role", "developer"), ("product", "video")]).await.is(303);
        let said = gateway.asks(&bobs, json!({ "permission": "resources.run", "product": "video" })).await;
        assert_eq!((&said["code"], &said["roles"]), (&json!("VALID"), &json!(["video-developer"])));
        assert_eq!(gateway.code(&bobs, json!({ "permission": "resources.run", "product": "image" })).await, "FORBIDDEN");
        let image = json!({ "permission": "resources.run", "resource": named("image", "img_1") });
        assert_eq!(gateway.code(&bobs, image).await, "FORBIDDEN");

        // Suspended before forbidden, and back.
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        assert_eq!(gateway.code(&bobs, json!({ "permission": "members.view" })).await, "SUSPENDED");
        ada.post(&format!("/a/acme/members/{seat}/reactivate"), &[]).await.is(303);
        assert_eq!(gateway.code(&bobs, none.clone()).await, "VALID");
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);

        // Expired before suspended: nothing but time passes.
        let in_a_day = guildhall::model::text::Name::parse("Short").unwrap();
        let short = house
            .host(async |change| {
                let account = guildhall::store::accounts::by_slug(change, "acme").await.unwrap().unwrap().id;
                let end = Some(house.kit.now().plus(DAY));
                guildhall::store::keys::create_for(change, account, seat, bob.id, &in_a_day, end).await.unwrap().1
            })
            .await;
        let short = house.program(&short);
        assert_eq!(gateway.code(&short, none.clone()).await, "SUSPENDED");
        house.later(DAY);
        assert_eq!(gateway.code(&short, none.clone()).await, "EXPIRED");
        // Removed: revoked before expired. The owner is told still, and nobody else is touched.
        ada.post(&format!("/a/acme/members/{seat}/remove"), &[("confirm", "on")]).await.is(303);
        for it in [&short, &bobs] {
            let said = gateway.asks(it, json!({ "permission": "members.view" })).await;
            assert_eq!((&said["code"], &said["account"]["slug"]), (&json!("REVOKED"), &json!("acme")), "{said}");
        }
        assert_eq!(gateway.code(&key, none.clone()).await, "VALID");
        // The account goes: so does all that is known of its keys.
        let form = [("confirm", "acme"), ("password", crate::harness::PASSWORD)];
        ada.post("/a/acme/settings/delete", &form).await.is(303);
        assert_eq!(gateway.code(&key, none).await, "NOT_FOUND");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_an_address_that_change_are_known_at_once() {
    each(async |house| {
        let _watch = house.watch();
        let Acme { ada, key, gateway, .. } = acme(house).await;
        assert_eq!(gateway.asks(&key, json!({})).await["account"]["plan"], "enterprise");
        house
            .host(async |change| {
                let acme = guildhall::store::accounts::by_slug(change, "acme").await.unwrap().unwrap();
                guildhall::store::accounts::set_plan(change, &acme, "free").await.unwrap();
            })
            .await;
        let said = gateway.asks(&key, json!({})).await;
        assert_eq!((&said["account"]["plan"], &said["ratelimit"]["limit"]), (&json!("free"), &json!(60)));
        // What was admitted before counts on.
        assert_eq!(said["ratelimit"]["remaining"], 58);
        ada.post("/me/email", &[("email", "countess@acme.test")]).await.is(303);
        let link = house.letter("countess@acme.test").await.link("/verify-email/");
        ada.post(&link, &[]).await.is(303);
        assert_eq!(gateway.asks(&key, json!({})).await["user"]["email"], "countess@acme.test");
        ada.post("/a/acme/settings", &[("name", "Acme"), ("slug", "zenith")]).await.is(303);
        assert_eq!(gateway.asks(&key, json!({})).await["account"]["slug"], "zenith");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_team_the_organization_above_decides_too() {
    each(async |house| {
        let _watch = house.watch();
        let Acme { ada, bob, gateway, .. } = acme(house).await;
        bob.post("/new/team", &[("name", "Labs"), ("parent", "acme")]).await.is(303);
        let key = house.key("labs", &bob).await;
        let said = gateway.asks(&key, json!({})).await;
        assert_eq!((&said["code"], &said["account"]["kind"]), (&json!("VALID"), &json!("team")), "{said}");
        // The plan and the limits are the payer's, shared with it.
        assert_eq!(said["account"]["plan"], "enterprise");
        assert_eq!(said["ratelimit"]["remaining"], 5999);
        let adas = house.key("acme", &ada).await;
        assert_eq!(gateway.asks(&adas, json!({})).await["ratelimit"]["remaining"], 5998);
        let seat = house.membership("acme", &bob).await;
        ada.post(&format!("/a/acme/members/{seat}/suspend"), &[]).await.is(303);
        assert_eq!(gateway.code(&key, json!({})).await, "SUSPENDED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_for_less_does_less() {
    each(async |house| {
        let _watch = house.watch();
        let Acme { key, gateway, .. } = acme(house).await;
        let one = resource(&key, "video", "vid_1", "shared").await;
        let other = resource(&key, "video", "vid_2", "shared").await;
        let body = json!({ "name": "Narrow", "permissions": ["resources.view", "resources.run"], "resources": [one] });
        let made = key.call(Method::POST, "/api/v1/accounts/acme/keys", &body).await.is(201).json();
        let narrow = house.program(made["secret"].as_str().unwrap());
        let run = |id: &str| json!({ "permission": "resources.run", "resource": id });
        assert_eq!(gateway.code(&narrow, run(&one)).await, "VALID");
        assert_eq!(gateway.code(&narrow, run(&other)).await, "FORBIDDEN");
        assert_eq!(gateway.code(&narrow, json!({ "permission": "members.view" })).await, "FORBIDDEN");
        assert_eq!(gateway.code(&key, run(&other)).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_in_words() {
    each(async |house| {
        let Acme { key, gateway, .. } = acme(house).await;
        let at = "/api/v1/keys/verify";
        let json = [("content-type", "application/json")];
        for (body, status, code) in [
            ("", 400, "malformed"),
            ("{", 400, "malformed"),
            ("[]", 422, "invalid"),
            ("{}", 422, "invalid"),
            (r#"{"key": 7}"#, 422, "invalid"),
            (r#"{"key": null}"#, 422, "invalid"),
            (r#"{"key": "x", "permission": "fly"}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": -1}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": 1.5}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": "1"}"#, 422, "invalid"),
            (r#"{"key": "x", "cost": 99999999999}"#, 422, "invalid"),
            (r#"{"key": "x", "resource": 7}"#, 422, "invalid"),
            (r#"{"key": "x", "resource": {"product": "video"}}"#, 422, "invalid"),
            (r#"{"key": "x", "product": []}"#, 422, "invalid"),
            (r#"{"key": "x", "surprise": 1}"#, 422, "invalid"),
            ("{\"key\": \"a\\u0000\"}", 422, "malformed"),
        ] {
            let said = gateway.0.send(Method::POST, at, &json, Some(body.into())).await.is(status);
            let problem = said.json();
            assert_eq!(problem["code"], code, "{body}: {problem}");
        }
        let said =
            gateway.0.send(Method::POST, at, &json, Some(format!("{{\"key\":\"{}\"}}", "x".repeat(2 << 20))));
        assert_eq!(said.await.is(413).json()["code"], "too_large");
        gateway.0.send(Method::POST, at, &[("content-type", "text/plain")], Some("{}".into())).await.is(415);
        gateway.0.get(at).await.is(405);
        // Whose key it is decides nothing here: a member's own key asks nothing.
        key.call(Method::POST, at, &json!({ "key": key.secret })).await.is(401);
        let other = house.service(&[Scope::Usage]).await;
        let said = other.call(Method::POST, at, &json!({ "key": key.secret })).await.is(403).json();
        assert_eq!(said["code"], "scope_missing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_keys_is_turned_away_without_the_database() {
    each(async |house| {
        use guildhall::kit::secret::{KeyKind, hash, machine_key};
        let Acme { key, gateway, .. } = acme(house).await;
        let _watch = house.watch();
        for _ in 0..200 {
            if house.kit.stale.is_unknown(&hash("nobody's")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let many: Vec<String> = (0..20_000).map(|_| machine_key(KeyKind::Key, &house.kit.chance)).collect();
        let strangers = many.iter().filter(|it| house.kit.stale.is_unknown(&hash(it))).count();
        assert!(strangers > 19_800, "{strangers} of 20,000 are turned away");
        let before = house.app.metrics().lookups();
        for it in &many[..1000] {
            assert_eq!(gateway.code(&house.program(it), json!({})).await, "NOT_FOUND");
        }
        let looked_up = house.app.metrics().lookups() - before;
        assert!(looked_up < 20, "{looked_up} of 1,000 were looked up");
        // And at the other doors.
        house.program(&many[0]).get("/api/v1/accounts/acme").await.is(401);
        // A key that is made meanwhile is no stranger.
        let fresh = json!({ "name": "Fresh" });
        let made = key.call(Method::POST, "/api/v1/accounts/acme/keys", &fresh).await.is(201).json();
        assert_eq!(gateway.code(&house.program(made["secret"].as_str().unwrap()), json!({})).await, "VALID");
        assert_eq!(gateway.code(&key, json!({})).await, "VALID");
    })
    .await;
}
