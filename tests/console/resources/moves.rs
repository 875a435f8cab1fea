//! Moving resources between teams, who has access to a resource, and keys for chosen resources.
use super::{ALL, acme, listed_grant, register, set_grants};
use crate::harness::on_each_db;
use axum::http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_moves_to_a_team_and_back() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let bob = app.user("Bob", "bob@acme.test").await;
        let membership = app.add_member(&ada, "acme", &bob, &["member"]).await;
        let cy = app.user("Cy", "cy@acme.test").await;
        let cy_membership = app.add_member(&ada, "acme", &cy, &["member"]).await;
        ada.post("/new/team", &[("parent", "acme"), ("name", "Ingest")]).await.assert_status(303);
        app.add_member(&ada, "ingest", &bob, &["analyst"]).await;
        let id = register(&key, "acme", "video/video_collection", "Trailers", "shared").await;
        set_grants(&key, cy_membership, listed_grant(&[&id])).await;
        let page = format!("/a/acme/resources/{id}");
        ada.get(&format!("{page}/move"))
            .await
            .assert_status(200)
            .assert_contains("Ingest")
            .assert_contains("1 role of 1 person")
            .assert_contains("1 of them names nothing else");

        // Refused: a target where Bob may not create, a foreign account, the same account, and none at all.
        bob.post(&format!("{page}/move"), &[("to", "ingest")])
            .await
            .assert_status(422)
            .assert_contains("You may not create Video resources in Ingest");
        let eve = app.user("Eve", "eve@other.test").await;
        app.organization(&eve, "Other").await;
        for to in ["other", "acme", "", "no-such"] {
            ada.post(&format!("{page}/move"), &[("to", to)]).await.assert_status(422);
        }
        eve.post(&format!("{page}/move"), &[("to", "other")]).await.assert_status(404);
        ada.post(&format!("{page}/move"), &[("to", "ingest"), ("seen", "1")])
            .await
            .assert_status(409)
            .assert_contains("Somebody changed it");
        ada.post(&format!("{page}/move"), &[("to", "ingest")])
            .await
            .assert_status(303)
            .assert_redirect(&format!("/a/ingest/resources/{id}"));

        let member = key
            .get(&format!("/api/v1/accounts/acme/members/{cy_membership}"))
            .await
            .assert_status(200)
            .json();
        assert_eq!(member["grants"], json!([]), "the grant listed no other resource");
        // Administrators of the organization see it in their list, with its team; other members do not.
        ada.get("/a/acme/resources")
            .await
            .assert_status(200)
            .assert_contains("Trailers")
            .assert_contains("Ingest");
        ada.get("/a/acme/resources?team=ingest").await.assert_status(200).assert_contains("Trailers");
        ada.get(&page).await.assert_status(303).assert_redirect(&format!("/a/ingest/resources/{id}"));
        bob.get("/a/acme/resources").await.assert_status(200).assert_not_contains("Trailers");
        bob.get(&page).await.assert_status(404);
        bob.get(&format!("/a/ingest/resources/{id}")).await.assert_status(200).assert_contains("Trailers");
        cy.get("/a/ingest/resources").await.assert_status(404);
        let item = &key.get(ALL).await.assert_status(200).json()["items"][0];
        assert_eq!(item["team"]["slug"], "ingest");
        key.get(&format!("{ALL}?q=trail")).await.assert_status(200).assert_contains("Trailers");
        key.call(Method::PATCH, &format!("{ALL}/{id}"), &json!({ "name": "Trailers 2" }))
            .await
            .assert_status(200);
        let bob_key = app.api_key("acme", &bob).await;
        assert_eq!(bob_key.get(ALL).await.assert_status(200).json()["items"], json!([]));
        bob_key.get(&format!("{ALL}/{id}")).await.assert_status(404);
        for slug in ["acme", "ingest"] {
            ada.get(&format!("/a/{slug}/audit"))
                .await
                .assert_status(200)
                .assert_contains("moved “Trailers” from Acme to Ingest");
        }
        // It moves back unless its external id is taken there.
        let duplicate = register(&key, "acme", "video/video_collection", "Trailers", "shared").await;
        let back = format!("/a/ingest/resources/{id}/move");
        ada.post(&back, &[("to", "acme")])
            .await
            .assert_status(422)
            .assert_contains("has a resource with the same external id");
        key.call(Method::DELETE, &format!("{ALL}/{duplicate}"), &json!({})).await.assert_status(204);
        ada.post(&back, &[("to", "acme")]).await.assert_status(303).assert_redirect(&page);
        bob.get(&page).await.assert_status(200).assert_contains("Trailers 2");
        let _ = membership;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_page_shows_who_has_access_and_who_would_lose_it() {
    on_each_db(async |app| {
        let (ada, key) = acme(app).await;
        let mut people = vec![];
        for (name, role) in [
            ("Bob", "member"),
            ("Cy", "video-developer"),
            ("Di", "image-developer"),
            ("Flo", "accountant"),
            ("Gus", "admin"),
        ] {
            let user = app.user(name, &format!("{name}@acme.test")).await;
            let membership = app.add_member(&ada, "acme", &user, &[role]).await;
            people.push((user, membership));
        }
        let bob = &people[0].0;
        let id =
            register(&app.api_key("acme", bob).await, "acme", "video/video_collection", "Trailers", "shared")
                .await;
        let page = format!("/a/acme/resources/{id}");
        let response = ada.get(&page).await.assert_status(200);
        let response = response
            .assert_contains("4 people reach it. 4 can change it, 4 can delete it.")
            .assert_contains("Owner and admins Everything");
        response
            .assert_contains("Video developer View, change, delete, run")
            .assert_contains("Only Bob and administrators. 1 person would lose sight of it.");
        // Without the permission to see members there are no names; only the creator or an administrator
        // makes it private.
        let cy = &people[1].0;
        cy.get(&page)
            .await
            .assert_status(200)
            .assert_not_contains("4 people")
            .assert_not_contains("Video developer")
            .assert_contains("Only its creator and administrators make it private");
        cy.post(&format!("{page}/visibility"), &[("visibility", "private")])
            .await
            .assert_status(409)
            .assert_contains("You would lose sight of it");
        set_grants(&key, people[2].1, listed_grant(&[&id])).await;
        ada.get(&page)
            .await
            .assert_contains("5 people reach it")
            .assert_contains("Video source-specific View, change, run, insights");
        bob.get(&page).await.assert_contains("2 people would lose sight of it");
        bob.post(&format!("{page}/visibility"), &[("visibility", "private")]).await.assert_status(303);
        ada.get(&page).await.assert_contains("3 people reach it").assert_contains("Private");
        cy.get(&page).await.assert_status(404);
        // A suspended member has no access.
        let member = format!("/api/v1/accounts/acme/members/{}", people[4].1);
        key.call(Method::PATCH, &member, &json!({ "status": "inactive" })).await.assert_status(200);
        ada.get(&page).await.assert_contains("2 people reach it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_chosen_resources_opens_only_those() {
    on_each_db(async |app| {
        let (_ada, key) = acme(app).await;
        let one = register(&key, "acme", "video/video", "One", "shared").await;
        let two = register(&key, "acme", "video/video", "Two", "shared").await;
        let new = json!({ "name": "Narrow", "resources": [one] });
        let created =
            key.call(Method::POST, "/api/v1/accounts/acme/keys", &new).await.assert_status(201).json();
        let restricted = app.api_client(created["secret"].as_str().unwrap());
        let items = restricted.get(ALL).await.assert_status(200).json()["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1);
        assert_eq!(items[0]["id"], one);
        restricted.get(&format!("{ALL}/{one}")).await.assert_status(200);
        restricted.get(&format!("{ALL}/{two}")).await.assert_status(404);
        let body = json!({ "product": "video", "kind": "video", "name": "Three", "external_id": "three" });
        restricted.call(Method::POST, ALL, &body).await.assert_status(403);
    })
    .await;
}
