//! Guildhall.
use guildhall::{
    app::{App, Serving},
    db::Db,
    kit::{Chance, Clock, Kit, Rules, secret::Seal},
    model::catalog::Catalog,
};
use std::net::SocketAddr;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let db = Db::connect(&std::env::var("GUILDHALL_DATABASE_URL").unwrap_or("sqlite://guildhall.db".into()))
        .await?;
    db.migrate().await?;
    let listen = std::env::var("GUILDHALL_LISTEN").unwrap_or("127.0.0.1:3000".into());
    let rules = Rules {
        base_url: format!("http://{listen}"),
        max_organizations_per_user: 1,
        open_sign_up: true,
        loopback: true,
    };
    let kit = Kit::new(
        Clock::real(),
        Chance::real(),
        Seal::new(&[7; 32]),
        Catalog::parse(Catalog::BUILT_IN)?,
        rules,
    );
    let app = App::new(db, kit, Serving { mailbox: true, proxies: vec![] });
    let router = app.router(guildhall::routes());
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
