//! What the tunnels of one worker may have on loan together, and those of each subaccount; and how
//! many dials of services are under way for each.

use std::{
    cell::Cell,
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
    dials: HashMap<String, Weak<Cell<usize>>>,
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

/// A place among the dials of one subaccount; given back on drop.
pub(super) struct DialPlace(Rc<Cell<usize>>);

impl Drop for DialPlace {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Budgets {
    /// The budgets of one of `workers` workers, whose own is `worker`.
    pub(super) fn new(worker: Rc<Budget>, workers: usize) -> Self {
        Self { worker, workers: workers.max(1), tenants: HashMap::new(), dials: HashMap::new() }
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

    /// A place for one more dial for `subaccount`; `None` when it has as many under way as it may.
    pub(super) fn place_dial(&mut self, subaccount: &str) -> Option<DialPlace> {
        let known = self.dials.get(subaccount).and_then(Weak::upgrade);
        let dials = known.unwrap_or_else(|| {
            // Subaccounts without a dial are forgotten, so that the table does not grow.
            self.dials.retain(|_, dials| dials.strong_count() > 0);
            let dials = Rc::new(Cell::new(0));
            self.dials.insert(subaccount.to_owned(), Rc::downgrade(&dials));
            dials
        });
        (dials.get() < limits::DIALS_PER_TENANT_MAX).then(|| {
            dials.set(dials.get() + 1);
            DialPlace(dials)
        })
    }
}
