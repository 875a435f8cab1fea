//! `guildhall token …`
use super::{
    open::{House, Missing},
    out::{Done, say_secret},
};
use crate::{
    model::{text::Name, token::Scopes},
    settings::Settings,
    store::tokens,
};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Token {
    /// Make a service token; prints it, once
    Create {
        /// What it is called in the list of tokens
        #[arg(long)]
        name: String,
    },
}

impl Token {
    pub async fn run(self, settings: &Settings) -> Done {
        let Token::Create { name } = self;
        let name = Name::parse(&name)?;
        let house = House::open(settings, Missing::Make, "guildhall token create").await?;
        let made =
            house.change(async |change| Ok(tokens::create(change, &name, Scopes::ALL, None).await?)).await?;
        say_secret(made.1).await
    }
}
