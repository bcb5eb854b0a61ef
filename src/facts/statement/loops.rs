//! Loops: values that stand for later rounds, and the ways out of a round.

use ruff_python_ast::{Expr, Stmt, StmtFor, StmtWhile};
use rustc_hash::FxHashSet;

use crate::facts::body::{LoopFrame, Walker, range_of};
use crate::facts::expression::yields_pairs;
use crate::facts::held::{Flow, Taken};
use crate::facts::scope::Names;
use crate::facts::{Loop, OpKind, Value, ValueId, WayOut};
use crate::source::span::Range;

impl<'a> Walker<'a> {
    pub(super) fn for_loop(&mut self, it: &'a StmtFor) {
        let iterated = self.expression(&it.iter);
        let before = self.frame().flow.clone();
        let open = self.open_loop(&it.body, Some(&it.target));
        self.op(OpKind::Iterate { base: iterated }, range_of(&*it.iter));
        let first = self.next_op();
        let element = self.value(Value::Element(iterated));
        let target_range = range_of(&*it.target);
        match &*it.target {
            Expr::Tuple(targets) if yields_pairs(&it.iter) => {
                for target in &targets.elts {
                    self.assign(target, element, target_range);
                }
            }
            target => self.assign(target, element, target_range),
        }
        self.suite(&it.body);
        self.upset(it, iterated, first);
        let breaks = self.close_loop(&open, range_of(&*it.target));
        let after = self.frame().flow.clone();
        let joined = self.join(before, after);
        self.frame().flow = joined;
        self.suite(&it.orelse);
        self.join_breaks(breaks);
    }

    pub(super) fn while_loop(&mut self, it: &'a StmtWhile) {
        let before = self.frame().flow.clone();
        let open = self.open_loop(&it.body, None);
        let first = self.next_op();
        let condition = self.test(&it.test);
        let outside = self.frame().control;
        let inside = if first == self.next_op() {
            outside
        } else {
            self.control_since(first)
        };
        self.frame().control = inside;
        self.assume(&condition, true);
        self.suite(&it.body);
        self.frame().control = outside;
        let breaks = self.close_loop(&open, range_of(&*it.test));
        let after = self.frame().flow.clone();
        let mut joined = self.join(before, after);
        let forever = matches!(&*it.test, Expr::BooleanLiteral(literal) if literal.value)
            || matches!(&*it.test, Expr::NumberLiteral(_));
        joined.alive &= !forever;
        self.frame().flow = joined;
        self.assume(&condition, false);
        self.suite(&it.orelse);
        self.join_breaks(breaks);
    }

    /// Gives the names a loop rebinds a value that also stands for later rounds; returns where
    /// the values at the end of a round must be added.
    fn open_loop(&mut self, body: &'a [Stmt], target: Option<&'a Expr>) -> Vec<(usize, ValueId)> {
        let mut names: FxHashSet<&'a str> = Names::bound_in(body);
        if let Some(target) = target {
            collect_targets(target, &mut names);
        }
        let mut open = Vec::new();
        for text in names {
            let frame = self.frame();
            let Some(&slot) = frame.slots.get(text) else {
                continue;
            };
            let before = frame.flow.env.get(slot).copied().unwrap_or_default();
            if before == ValueId::UNKNOWN {
                continue;
            }
            open.push((slot, before));
        }
        open.sort_unstable();
        for (slot, value) in &mut open {
            let list = self.list(&[*value, ValueId::UNKNOWN]);
            let joined = self.value(Value::Join(list));
            self.frame().flow.env[*slot] = joined;
            *value = joined;
        }
        let taken_before = self.frame().flow.taken.iter().map(|it| it.region).collect();
        let releases = self.released_texts(body);
        let frame = self.frame();
        let first = u32::try_from(frame.code.ops.len()).unwrap_or(u32::MAX);
        frame.loops.push(LoopFrame {
            first,
            breaks: Vec::new(),
            taken_before,
            with_depth: frame.with_regions.len(),
            finally_depth: frame.finally_releases.len(),
            releases,
        });
        frame.loop_depth += 1;
        open
    }

    fn close_loop(&mut self, open: &[(usize, ValueId)], end: Range) -> Vec<Flow<'a>> {
        self.end_of_iteration(end);
        let frame = self.frame();
        for &(slot, joined) in open {
            let last = frame.flow.env.get(slot).copied().unwrap_or_default();
            if let Value::Join(list) = frame.code.values[joined.0 as usize]
                && last != joined
            {
                frame.code.lists[list.start as usize + 1] = last;
            }
        }
        frame.loop_depth -= 1;
        let Some(closed) = frame.loops.pop() else {
            return Vec::new();
        };
        let end = u32::try_from(frame.code.ops.len()).unwrap_or(u32::MAX);
        frame.code.loops.push(Loop {
            first: closed.first,
            end,
        });
        closed.breaks
    }

    /// The loop starts over: a lock taken in this iteration leaks if it was to be given back in it.
    pub(super) fn end_of_iteration(&mut self, exit: Range) {
        let frame = self.frame();
        if !frame.flow.alive {
            return;
        }
        let Some(current) = frame.loops.last() else {
            return;
        };
        for taken in frame.flow.taken.clone() {
            if !current.taken_before.contains(&taken.region)
                && current.releases.contains(&taken.text)
                && !frame.finally_releases.contains(&taken.text)
            {
                frame.leaks.push((taken, exit, WayOut::Statement));
            }
        }
    }

    /// The state behind a `break`: the way out of the loop leaves the `with` statements inside it
    /// and passes the `finally` clauses inside it.
    pub(super) fn flow_out_of_loop(&mut self) -> Flow<'a> {
        let frame = self.frame();
        let Some(current) = frame.loops.last() else {
            return frame.flow.clone();
        };
        let left = frame.with_regions.get(current.with_depth).copied();
        let released = frame.finally_releases[current.finally_depth..].to_vec();
        if let Some(from) = left {
            self.give_back(from);
        }
        if !released.is_empty() {
            let frame = self.frame();
            let (given_back, taken) = std::mem::take(&mut frame.flow.taken)
                .into_iter()
                .partition(|taken| released.contains(&taken.text));
            let given_back: Vec<Taken<'a>> = given_back;
            frame.flow.taken = taken;
            self.keep_held(|held| given_back.iter().all(|it| it.region != held.region));
        }
        self.frame().flow.clone()
    }

    fn join_breaks(&mut self, breaks: Vec<Flow<'a>>) {
        for flow in breaks {
            let current = self.frame().flow.clone();
            let joined = self.join(current, flow);
            self.frame().flow = joined;
        }
    }
}

fn collect_targets<'a>(target: &'a Expr, names: &mut FxHashSet<&'a str>) {
    match target {
        Expr::Name(name) => {
            names.insert(&name.id);
        }
        Expr::Tuple(it) => it.elts.iter().for_each(|it| collect_targets(it, names)),
        Expr::List(it) => it.elts.iter().for_each(|it| collect_targets(it, names)),
        Expr::Starred(it) => collect_targets(&it.value, names),
        _ => {}
    }
}
