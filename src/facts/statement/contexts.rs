//! Contexts: `with` statements, and the locks held within them.

use ruff_python_ast::StmtWith;

use super::exceptions::{ABSENT_ELEMENT, REFUSAL, suppressed, suppresses};
use crate::facts::body::{Attended, Walker, range_of};
use crate::facts::{Held, OpKind, Value, ValueId};

impl<'a> Walker<'a> {
    pub(super) fn with_statement(&mut self, it: &'a StmtWith) {
        let mut entered = Vec::new();
        let regions_before = self.frame().regions;
        for item in &it.items {
            let context = self.expression(&item.context_expr);
            let range = range_of(&item.context_expr);
            let region = self.hold(context);
            self.op(
                OpKind::Enter {
                    context,
                    region,
                    is_async: it.is_async,
                },
                range,
            );
            entered.push((context, region, range));
            if let Some(target) = &item.optional_vars {
                let value = self.value(Value::Entered(context));
                self.assign(target, value, range);
            }
        }
        let outer = self.frame().with_spelled.len();
        for item in &it.items {
            let spelled = self.source(range_of(&item.context_expr));
            self.frame().with_spelled.push(spelled);
        }
        self.frame().with_regions.push(regions_before);
        let handled = |names: &[&str]| {
            let mut items = it.items.iter();
            u32::from(items.any(|it| suppresses(&it.context_expr, names)))
        };
        let (absence, refusal) = (handled(&ABSENT_ELEMENT), handled(&REFUSAL));
        self.frame().absence_handled += absence;
        self.frame().refusal_handled += refusal;
        let catches = it
            .items
            .iter()
            .any(|it| suppressed(&it.context_expr).is_some());
        let first_region = self.frame().regions;
        self.frame().attended.push(Attended {
            catches,
            releases: Vec::new(),
            first_region,
        });
        self.statements(&it.body);
        self.frame().attended.pop();
        self.frame().absence_handled -= absence;
        self.frame().refusal_handled -= refusal;
        self.frame().with_regions.pop();
        self.frame().with_spelled.truncate(outer);
        for (context, region, range) in entered.into_iter().rev() {
            self.op(OpKind::Exit { context, region }, range);
        }
        self.give_back(regions_before);
    }

    /// Whatever was taken by `with` or an exit stack from a region on is given back.
    pub(super) fn give_back(&mut self, from: u32) {
        let taken: Vec<u32> = self.frame().flow.taken.iter().map(|it| it.region).collect();
        self.keep_held(|held| held.region < from || taken.contains(&held.region));
    }

    /// Adds a lock to those held and returns its region.
    pub(in crate::facts) fn hold(&mut self, lock: ValueId) -> u32 {
        let frame = self.frame();
        let region = frame.regions;
        frame.regions += 1;
        let mut set = frame.held.sets[frame.flow.held as usize].clone();
        set.push(Held { lock, region });
        frame.flow.held = frame.held.intern(set);
        region
    }

    pub(super) fn keep_held(&mut self, keep: impl Fn(&Held) -> bool) {
        let frame = self.frame();
        let set: Vec<_> = frame.held.sets[frame.flow.held as usize]
            .iter()
            .copied()
            .filter(keep)
            .collect();
        frame.flow.held = frame.held.intern(set);
    }
}
