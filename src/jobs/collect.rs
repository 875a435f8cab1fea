//! Payments by card: the provider is asked outside of any transaction, and its answer is written down in one.
use super::{AT_ONCE, LONGEST, NAME, Worker};
use crate::{
    clients::payments::{Charge, Outcome, State},
    error::Result,
    model::id::AccountId,
    store::{
        Change, Client, Host, Scope,
        payments::{self, Said},
    },
};
use tokio::{task::JoinSet, time::timeout};

impl Worker {
    /// Asks the payment provider what is to be asked, outside of any transaction.
    pub(super) async fn collect(&self, on_the_way: &mut JoinSet<()>) -> Result<()> {
        let mut scope = Scope::read(&self.db, NAME, &self.kit, &Client::default());
        let is_due = self.till.takes_cards() && payments::is_due(&mut scope).await?;
        drop(scope);
        if !is_due {
            return Ok(());
        }
        let most = i64::try_from(AT_ONCE).unwrap_or(1);
        let mut change = Change::<Host>::begin(&self.db, NAME, &self.kit).await?;
        let charges = payments::take(&mut change, most).await?;
        let cards = payments::take_cards(&mut change, most).await?;
        change.commit().await?;
        for due in charges {
            on_the_way.spawn(self.clone().charge(due));
        }
        for (account, customer) in cards {
            on_the_way.spawn(self.clone().look_at_card(account, customer));
        }
        Ok(())
    }

    async fn charge(self, due: payments::Due) {
        let asked = async {
            match &due.reference {
                Some(reference) => self.till.look(reference).await,
                None => self.till.charge(&charge_of(&due)).await,
            }
        };
        let (reference, said) = match timeout(LONGEST, asked).await {
            Ok(Ok(Outcome { reference, state })) => (
                reference,
                match state {
                    State::Processing => Said::Processing,
                    State::Succeeded => Said::Succeeded,
                    State::Failed(why) => Said::Failed(why),
                },
            ),
            // A look that is refused says nothing of the payment.
            Ok(Err(failure)) => (None, Said::Nothing(failure.to_string())),
            Err(_) => (None, Said::Nothing("The payment provider took too long.".into())),
        };
        tracing::info!(charge = %due.id, invoice = due.number, ?said, "the payment provider was asked");
        let noted = self.apart(async |it| payments::note(it, &due, reference.as_deref(), &said).await).await;
        if let Err(cause) = noted {
            tracing::error!(charge = %due.id, ?cause, "what became of a payment was not noted: it is asked again");
        }
    }

    async fn look_at_card(self, account: AccountId, customer: String) {
        match timeout(LONGEST, self.till.card(&customer)).await {
            Ok(Ok(card)) => {
                let card = card.map(|it| [it.method, it.brand, it.last4, it.expires]);
                if let Err(cause) =
                    self.apart(async |it| payments::set_card(it, account, card.clone()).await).await
                {
                    tracing::error!(?cause, "a card was not noted: it is asked for again");
                }
            }
            Ok(Err(failure)) => tracing::warn!(%failure, "no card was told"),
            Err(_) => tracing::warn!("the payment provider took too long"),
        }
    }
}

fn charge_of(due: &payments::Due) -> Charge {
    Charge {
        id: due.id,
        customer: due.customer.clone(),
        method: due.method.clone(),
        amount: due.amount,
        currency: due.currency.clone(),
        invoice: due.number.clone(),
    }
}
