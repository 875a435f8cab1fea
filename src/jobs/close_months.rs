//! Makes the invoices of a month that is over. A plan that ends with the month is changed first: its bill looks back.
use super::{Job, SYSTEM, Worker};
use crate::{
    db::BoxFuture,
    error::Result,
    store::{invoices, plans},
};

pub(super) struct CloseMonths;

impl Job for CloseMonths {
    fn name(&self) -> &'static str {
        "close_months"
    }
    fn run<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            worker.change(async |change| plans::sweep(change).await).await?;
            invoices::close_due(&worker.db, &worker.context, &SYSTEM).await
        })
    }
}
