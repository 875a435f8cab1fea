//! The list of members has two query plans (walk the index, or find the matches first): both return the same
//! members in the same order.
use super::insert_members;
use crate::harness::on_each_db;
use guildhall::store::{
    Client, Scope,
    access::{self, Credential},
    members::{self, Filter, Order, Sort},
};

#[tokio::test(flavor = "multi_thread")]
async fn both_query_plans_find_the_same_members_in_the_same_order() {
    on_each_db(async |app| {
        let ada = app.user("Ada", "ada@acme.test").await;
        app.organization(&ada, "Acme").await;
        let people: Vec<_> = (0..40)
            .map(|n| (format!("Person {n} {}", ["Hale", "Young"][n % 2]), format!("p{n}@x.test")))
            .collect();
        insert_members(app, "acme", &people).await;
        for (name, roles) in
            [("Bob Hale", &["admin", "accountant"][..]), ("Cy Hale", &["admin"]), ("Di Young", &["admin"])]
        {
            let user = app.user(name, &format!("{}@acme.test", &name[..2].to_lowercase())).await;
            app.add_member(&ada, "acme", &user, roles).await;
        }
        app.raw_sql("update memberships set suspended_at = 1 where name_key like 'person 1%'").await;

        let key = app.api_key("acme", &ada).await;
        let credential = Credential::key(&key.secret);
        let mut conn = app.db.read().await.unwrap();
        let (actor, access) = access::find(&mut conn, &credential, "acme", app.kit.now()).await.unwrap();
        drop(conn);
        let mut scope = Scope::read(&app.db, actor, access, &app.kit, &Client::default());
        for (search, role, status, count) in [
            ("hale", "", "", 22),
            ("p1", "", "", 11),
            ("", "admin", "", 3),
            ("", "owner", "", 1),
            ("hale", "admin", "", 2),
            ("", "admin", "inactive", 0),
            ("person", "", "inactive", 11),
        ] {
            for (sort, order) in
                [(Sort::Joined, Order::Up), (Sort::Name, Order::Down), (Sort::Active, Order::Up)]
            {
                let filter = Filter {
                    search: search.to_owned(),
                    role: role.to_owned(),
                    status: status.to_owned(),
                    sort,
                    order,
                    limit: 50,
                    ..Filter::default()
                };
                let mut found = vec![];
                for is_few in [None, Some(true), Some(false)] {
                    let filter = Filter { is_few, ..filter.clone() };
                    let page = members::list(&mut scope, &filter).await.unwrap();
                    found.push(page.members.iter().map(|member| member.id).collect::<Vec<_>>());
                }
                assert_eq!(found[0].len(), count, "{search} {role} {status}");
                assert!(found.iter().all(|ids| *ids == found[0]), "{search} {role} {status} {sort:?}");
                assert_eq!(
                    members::page(&mut scope, &filter).await.unwrap().0.count,
                    i64::try_from(count).unwrap()
                );
            }
        }
    })
    .await;
}
