//! However members are come by, walked or found first, the same ones are found in the same order.
use super::crowd;
use crate::harness::each;
use guildhall::store::{
    Client, Scope,
    entry::{self, Credential},
    members::{self, Filter, Order, Sort},
};

#[tokio::test(flavor = "multi_thread")]
async fn few_and_many_are_found_alike() {
    each(async |house| {
        let ada = house.user("Ada", "ada@acme.test").await;
        house.organization(&ada, "Acme").await;
        let people: Vec<_> = (0..40)
            .map(|n| (format!("Person {n} {}", ["Hale", "Young"][n % 2]), format!("p{n}@x.test")))
            .collect();
        crowd(house, "acme", &people).await;
        for (name, roles) in
            [("Bob Hale", &["admin", "accountant"][..]), ("Cy Hale", &["admin"]), ("Di Young", &["admin"])]
        {
            let who = house.user(name, &format!("{}@acme.test", &name[..2].to_lowercase())).await;
            house.join(&ada, "acme", &who, roles).await;
        }
        house.tamper("update memberships set suspended_at = 1 where name_key like 'person 1%'").await;

        let key = house.key("acme", &ada).await;
        let by = Credential::key(&key.secret);
        let mut conn = house.db.read().await.unwrap();
        let who = entry::find(&mut conn, &by, "acme", house.kit.now()).await.unwrap();
        drop(conn);
        let mut scope = Scope::read(&house.db, who, &house.kit, &Client::default());
        for (search, role, status, many) in [
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
                    found.push(page.members.iter().map(|it| it.id).collect::<Vec<_>>());
                }
                assert_eq!(found[0].len(), many, "{search} {role} {status}");
                assert!(found.iter().all(|it| *it == found[0]), "{search} {role} {status} {sort:?}");
                assert_eq!(
                    members::page(&mut scope, &filter).await.unwrap().0.count,
                    i64::try_from(many).unwrap()
                );
            }
        }
    })
    .await;
}
