//! Resources of teams, moved there and back; who reaches one; keys for chosen ones.
use super::{ALL, acme, grant, over, register};
use crate::harness::each;
use axum::http::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_moves_to_a_team_and_back() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let bob = house.user("Bob", "bob@acme.test").await;
        let seat = house.join(&ada, "acme", &bob, &["member"]).await;
        let cy = house.user("Cy", "cy@acme.test").await;
        let listed = house.join(&ada, "acme", &cy, &["member"]).await;
        ada.post("/new/team", &[("parent", "acme"), ("name", "Ingest")]).await.is(303);
        house.join(&ada, "ingest", &bob, &["analyst"]).await;
        let id = register(&key, "acme", "video/video_collection", "Trailers", "shared").await;
        grant(&key, listed, over(&[&id])).await;
        let page = format!("/a/acme/resources/{id}");
        ada.get(&format!("{page}/move"))
            .await
            .is(200)
            .says("Ingest")
            .says("1 role of 1 person")
            .says("1 of them names nothing else");

        // Who may not create there, who is not there, a foreign place, and nowhere.
        bob.post(&format!("{page}/move"), &[("to", "ingest")])
            .await
            .is(422)
            .says("You may not create Video resources in Ingest");
        let eve = house.user("Eve", "eve@other.test").await;
        house.organization(&eve, "Other").await;
        for to in ["other", "acme", "", "no-such"] {
            ada.post(&format!("{page}/move"), &[("to", to)]).await.is(422);
        }
        eve.post(&format!("{page}/move"), &[("to", "other")]).await.is(404);
        ada.post(&format!("{page}/move"), &[("to", "ingest"), ("seen", "1")])
            .await
            .is(409)
            .says("Somebody changed it");
        ada.post(&format!("{page}/move"), &[("to", "ingest")])
            .await
            .is(303)
            .to(&format!("/a/ingest/resources/{id}"));

        let member = key.get(&format!("/api/v1/accounts/acme/members/{listed}")).await.is(200).json();
        assert_eq!(member["grants"], json!([]), "it named that alone");
        // The organization's administrators see it in their list, with its team; others do not.
        ada.get("/a/acme/resources").await.is(200).says("Trailers").says("Ingest");
        ada.get("/a/acme/resources?team=ingest").await.is(200).says("Trailers");
        ada.get(&page).await.is(303).to(&format!("/a/ingest/resources/{id}"));
        bob.get("/a/acme/resources").await.is(200).hides("Trailers");
        bob.get(&page).await.is(404);
        bob.get(&format!("/a/ingest/resources/{id}")).await.is(200).says("Trailers");
        cy.get("/a/ingest/resources").await.is(404);
        let item = &key.get(ALL).await.is(200).json()["items"][0];
        assert_eq!(item["team"]["slug"], "ingest");
        key.get(&format!("{ALL}?q=trail")).await.is(200).says("Trailers");
        key.call(Method::PATCH, &format!("{ALL}/{id}"), &json!({ "name": "Trailers 2" })).await.is(200);
        let bobs = house.key("acme", &bob).await;
        assert_eq!(bobs.get(ALL).await.is(200).json()["items"], json!([]));
        bobs.get(&format!("{ALL}/{id}")).await.is(404);
        for slug in ["acme", "ingest"] {
            ada.get(&format!("/a/{slug}/audit")).await.is(200).says("moved “Trailers” from Acme to Ingest");
        }
        // Back, but not onto its double.
        let double = register(&key, "acme", "video/video_collection", "Trailers", "shared").await;
        let back = format!("/a/ingest/resources/{id}/move");
        ada.post(&back, &[("to", "acme")]).await.is(422).says("has a resource with the same external id");
        key.call(Method::DELETE, &format!("{ALL}/{double}"), &json!({})).await.is(204);
        ada.post(&back, &[("to", "acme")]).await.is(303).to(&page);
        bob.get(&page).await.is(200).says("Trailers 2");
        let _ = seat;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_who_reaches_it_and_who_would_lose_it() {
    each(async |house| {
        let (ada, key) = acme(house).await;
        let mut people = vec![];
        for (name, role) in [
            ("Bob", "member"),
            ("Cy", "video-developer"),
            ("Di", "image-developer"),
            ("Flo", "accountant"),
            ("Gus", "admin"),
        ] {
            let it = house.user(name, &format!("{name}@acme.test")).await;
            let seat = house.join(&ada, "acme", &it, &[role]).await;
            people.push((it, seat));
        }
        let bob = &people[0].0;
        let id =
            register(&house.key("acme", bob).await, "acme", "video/video_collection", "Trailers", "shared")
                .await;
        let page = format!("/a/acme/resources/{id}");
        let said = ada.get(&page).await.is(200);
        let said = said
            .says("4 people reach it. 4 can change it, 4 can delete it.")
            .says("Owner and admins Everything");
        said.says("Video developer View, change, delete, run")
            .says("Only Bob and administrators. 1 person would lose sight of it.");
        // Who may not see the members sees no names; who did not make it does not hide it.
        let cy = &people[1].0;
        cy.get(&page)
            .await
            .is(200)
            .hides("4 people")
            .hides("Video developer")
            .says("Only its creator and administrators make it private");
        cy.post(&format!("{page}/visibility"), &[("visibility", "private")])
            .await
            .is(409)
            .says("You would lose sight of it");
        grant(&key, people[2].1, over(&[&id])).await;
        ada.get(&page)
            .await
            .says("5 people reach it")
            .says("Video source-specific View, change, run, insights");
        bob.get(&page).await.says("2 people would lose sight of it");
        bob.post(&format!("{page}/visibility"), &[("visibility", "private")]).await.is(303);
        ada.get(&page).await.says("3 people reach it").says("Private");
        cy.get(&page).await.is(404);
        // A suspended member reaches nothing.
        let member = format!("/api/v1/accounts/acme/members/{}", people[4].1);
        key.call(Method::PATCH, &member, &json!({ "status": "inactive" })).await.is(200);
        ada.get(&page).await.says("2 people reach it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_chosen_resources_opens_those_alone() {
    each(async |house| {
        let (_ada, key) = acme(house).await;
        let one = register(&key, "acme", "video/video", "One", "shared").await;
        let two = register(&key, "acme", "video/video", "Two", "shared").await;
        let new = json!({ "name": "Narrow", "resources": [one] });
        let made = key.call(Method::POST, "/api/v1/accounts/acme/keys", &new).await.is(201).json();
        let narrow = house.program(made["secret"].as_str().unwrap());
        let items = narrow.get(ALL).await.is(200).json()["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1);
        assert_eq!(items[0]["id"], one);
        narrow.get(&format!("{ALL}/{one}")).await.is(200);
        narrow.get(&format!("{ALL}/{two}")).await.is(404);
        let body = json!({ "product": "video", "kind": "video", "name": "Three", "external_id": "three" });
        narrow.call(Method::POST, ALL, &body).await.is(403);
    })
    .await;
}
