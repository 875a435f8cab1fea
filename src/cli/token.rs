//! `guildhall token …`
use super::{
    open::{IfMissing, Installation},
    out::{CliResult, print_secret},
};
use crate::{
    model::{text::Name, token::Scopes},
    settings::Settings,
    store::tokens,
};
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Token {
    /// Create a service token; prints it, once
    Create {
        /// The name of the token in the list of tokens
        #[arg(long)]
        name: String,
    },
}

impl Token {
    pub async fn run(self, settings: &Settings) -> CliResult {
        let Token::Create { name } = self;
        let name = Name::parse(&name)?;
        let installation = Installation::open(settings, IfMissing::Create, "guildhall token create").await?;
        let created = installation
            .change(async |change| Ok(tokens::create(change, &name, Scopes::ALL, None).await?))
            .await?;
        print_secret(created.1).await
    }
}
