//! What the tunnels of one worker may have on loan together, and those of each subaccount.

use std::{
    collections::HashMap,
    rc::{Rc, Weak},
};

use crate::{
    limits,
    tunnel::{Budget, Loan},
};

/// The budgets of one worker.
pub(super) struct Budgets {
    worker: Rc<Budget>,
    workers: usize,
    tenants: HashMap<String, Weak<Budget>>,
}

/// The window of one tunnel, lent by its worker and its subaccount; given back on drop.
pub(super) struct Window {
    _worker: Loan,
    tenant: Loan,
}

impl Window {
    /// Bytes the tunnel's peer may send ahead.
    pub(super) fn bytes(&self) -> u32 {
        u32::try_from(self.tenant.bytes()).unwrap_or(limits::TUNNEL_WINDOW_BYTES_MAX)
    }
}

impl Budgets {
    /// The budgets of one of `workers` workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            worker: Budget::new(limits::WORKER_LOAN_BYTES_MAX, limits::TUNNELS_PER_WORKER_MAX),
            workers: workers.max(1),
            tenants: HashMap::new(),
        }
    }

    /// Lends the window of a new tunnel of `subaccount`; `None` when a budget is spent.
    pub(super) fn lend(&mut self, subaccount: &str) -> Option<Window> {
        let known = self.tenants.get(subaccount).and_then(Weak::upgrade);
        let budget = known.unwrap_or_else(|| {
            // Subaccounts without a tunnel are forgotten, so that the table does not grow.
            self.tenants.retain(|_, budget| budget.strong_count() > 0);
            let budget = Budget::new(
                limits::TENANT_LOAN_BYTES_MAX / self.workers,
                limits::TUNNELS_PER_TENANT_MAX / self.workers,
            );
            self.tenants.insert(subaccount.to_owned(), Rc::downgrade(&budget));
            budget
        });
        let worker = self.worker.lend_window()?;
        Some(Window { tenant: budget.lend_window()?, _worker: worker })
    }
}
