//! Making a connection clean after its call.
//!
//! The problem: what a call leaves on its connection (a transaction, a lock, a variable) must not come to the next one,
//! and the new login that takes it away is a round trip, which the caller has no part in: its rows are here, its
//! `INSERT` is committed. The answer: the caller is told at once, and a job of the crew cleans the connection and puts
//! it into the pool.
//!
//! The permit of the call is kept meanwhile, so there are never more connections than there may be. A clean-up that
//! takes too long costs the connection.

use super::connection::Connection;
use super::permits::Permit;
use super::shared::{Shared, UnderWay};
use crate::crew::{Claim, Job};
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::sync::{lock, wait_until};
use std::sync::Arc;

/// Counts one connection until it is dropped.
struct Counted(Arc<UnderWay>);

impl Drop for Counted {
    fn drop(&mut self) {
        *lock(&self.0.count) -= 1;
        self.0.changed.notify_all();
    }
}

/// Has `connection` made clean and kept; returns at once.
pub(super) fn clean(shared: &Arc<Shared>, connection: Connection, permit: Permit) {
    let under_way = shared.cleaning.clone();
    *lock(&under_way.count) += 1;
    let counted = Counted(under_way);
    let limit = TimeLimit::from(Deadline::after(shared.endpoint.settings.kill_timeout));
    let label = format!("clean a connection to {}", shared.endpoint.to).into();
    let run = Box::new({
        let shared = shared.clone();
        move || {
            match connection.cleaned(&shared.endpoint, &limit) {
                Ok(clean) => shared.idle.put(0, clean),
                Err(error) => log::debug!("a connection to {} is closed, not cleaned: {error}", shared.endpoint.to),
            }
            drop(permit);
            drop(counted); // last: who waits for it looks into the pool
        }
    });
    if let Err(error) = shared.endpoint.crew.spawn(Claim::Request, Job { label, token: None, run }) {
        log::debug!("a connection to {} is closed, not cleaned: {error}", shared.endpoint.to);
    }
}

/// Waits while no connection is idle and one is being made clean: that takes less than to make a new one.
pub(super) fn await_clean(shared: &Shared, limit: &TimeLimit) -> Result<(), Error> {
    let under_way = &shared.cleaning;
    if *lock(&under_way.count) == 0 || shared.idle.idle() > 0 {
        return Ok(());
    }
    let _canceled = limit.token().on_cancel({
        let under_way = under_way.clone();
        move |_| {
            drop(lock(&under_way.count)); // a waiter that has just looked at the token waits by now
            under_way.changed.notify_all();
        }
    });
    let mut count = lock(&under_way.count);
    while *count > 0 && shared.idle.idle() == 0 {
        limit.check(Phase::Wait)?;
        count = wait_until(&under_way.changed, count, limit.deadline().instant());
    }
    Ok(())
}
