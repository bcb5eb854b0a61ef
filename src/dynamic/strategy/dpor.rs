//! Dynamic partial order reduction with source sets and sleep sets, until every trace has been
//! executed: Abdulla, Aronis, Jonsson, Sagonas, "Source Sets: A Foundation for Optimal Dynamic
//! Partial Order Reduction" (JACM 2017), algorithm 1.
//!
//! The tree of choices is kept explicitly, so that several schedules can be under way: a branch
//! sleeps on those that were added to its node before it, whether they have been explored yet or
//! not, because they will be. Subtrees without open branches are given up as they close.
//! Sleeping is carried out by the agent, which compares real objects; numbers of objects are
//! comparable within one execution only.

use std::collections::VecDeque;

use super::{Nondeterminism, Strategy};
use crate::dynamic::happens_before::Order;
use crate::dynamic::protocol::{Execution, Plan, Policy, Status};

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Branch {
    thread: u32,
    child: u32,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    depth: u32,
    /// The step that led here.
    thread: u32,
    /// What that step was, to notice when it is something else the next time.
    identity: u64,
    /// Branches to be explored and executions under way below this node.
    open: u32,
    /// In the order they were added.
    branches: Vec<Branch>,
}

#[derive(Debug, Clone, Copy)]
struct Task {
    node: u32,
    /// The branch to take; none for the first execution.
    thread: Option<u32>,
}

/// Source-set DPOR.
pub struct Dpor {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Branches that reverse a race of data accesses: they change what is computed.
    pending: Vec<Task>,
    /// Branches that reverse synchronisation, such as the order of two critical sections.
    later: Vec<Task>,
    running: VecDeque<(Task, Plan)>,
    max_steps: u32,
    complete: bool,
}

impl Dpor {
    /// A search that has everything before it.
    pub fn new(max_steps: u32) -> Self {
        let root = Node {
            parent: NONE,
            depth: 0,
            thread: 0,
            identity: 0,
            open: 1,
            branches: Vec::new(),
        };
        Self {
            nodes: vec![root],
            free: Vec::new(),
            pending: vec![Task {
                node: 0,
                thread: None,
            }],
            later: Vec::new(),
            running: VecDeque::new(),
            max_steps,
            complete: true,
        }
    }

    /// Whether nothing is left to explore and nothing is under way.
    pub fn is_done(&self) -> bool {
        self.pending.is_empty() && self.later.is_empty() && self.running.is_empty()
    }

    fn plan(&self, task: Task) -> Plan {
        let mut plan = Plan::free(Policy::GoOn, 0, self.max_steps);
        let depth = self.nodes[task.node as usize].depth as usize;
        let mut steps = vec![0u32; depth + usize::from(task.thread.is_some())];
        if let Some(thread) = task.thread {
            steps[depth] = thread;
        }
        let mut at = task.node;
        let mut taken = task.thread;
        loop {
            let node = &self.nodes[at as usize];
            for branch in &node.branches {
                if Some(branch.thread) == taken {
                    break;
                }
                if taken.is_some() {
                    plan.naps.push((node.depth, branch.thread));
                }
            }
            if node.parent == NONE {
                break;
            }
            steps[node.depth as usize - 1] = node.thread;
            taken = Some(node.thread);
            at = node.parent;
        }
        plan.naps.sort_unstable();
        plan.force(steps);
        plan
    }

    fn new_node(&mut self, parent: u32, thread: u32, identity: u64) -> u32 {
        let node = Node {
            parent,
            depth: self.nodes[parent as usize].depth + 1,
            thread,
            identity,
            open: 0,
            branches: Vec::new(),
        };
        match self.free.pop() {
            Some(number) => {
                self.nodes[number as usize] = node;
                number
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        }
    }

    fn opened(&mut self, mut at: u32, by: i32) {
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            node.open = node.open.saturating_add_signed(by);
            at = node.parent;
        }
    }

    /// The nodes an execution passed, the root first.
    fn walk(&mut self, execution: &Execution, forced: usize) -> Result<Vec<u32>, Nondeterminism> {
        let mut path = Vec::with_capacity(execution.trace.len() + 1);
        let mut at = 0;
        path.push(at);
        for (step, event) in execution.trace.iter().enumerate() {
            let thread = event.thread() as u32;
            let known = self.nodes[at as usize]
                .branches
                .iter()
                .position(|it| it.thread == thread);
            let child = known.map_or(NONE, |it| self.nodes[at as usize].branches[it].child);
            if child == NONE {
                let made = self.new_node(at, thread, event.identity());
                match known {
                    Some(branch) => self.nodes[at as usize].branches[branch].child = made,
                    None => self.nodes[at as usize].branches.push(Branch {
                        thread,
                        child: made,
                    }),
                }
                at = made;
            } else {
                if step < forced && self.nodes[child as usize].identity != event.identity() {
                    return Err(Nondeterminism { step });
                }
                at = child;
            }
            path.push(at);
        }
        Ok(path)
    }

    /// Gives up the subtrees below this path that have nothing open.
    fn close(&mut self, path: &[u32]) {
        for &number in path.iter().rev() {
            let node = &self.nodes[number as usize];
            if node.open > 0 || node.parent == NONE {
                break;
            }
            let (parent, thread) = (node.parent, node.thread);
            if let Some(branch) = self.nodes[parent as usize]
                .branches
                .iter_mut()
                .find(|it| it.thread == thread)
            {
                branch.child = NONE;
            }
            self.nodes[number as usize].branches.clear();
            self.free.push(number);
        }
    }
}

/// Which threads sleep at each depth of an execution: from when to when.
fn sleepers(plan: &Plan, execution: &Execution) -> Vec<(u32, u32, u32)> {
    plan.naps
        .iter()
        .map(|&(depth, thread)| {
            let until = execution
                .wakes
                .iter()
                .find(|&&(step, woken)| woken == thread && step >= depth)
                .map_or(u32::MAX, |&(step, _)| step);
            (thread, depth, until)
        })
        .collect()
}

impl Strategy for Dpor {
    fn next_plan(&mut self) -> Option<Plan> {
        let task = self.pending.pop().or_else(|| self.later.pop())?;
        let plan = self.plan(task);
        self.running.push_back((task, plan.clone()));
        Some(plan)
    }

    fn learn(&mut self, execution: &Execution, order: &Order) -> Result<(), Nondeterminism> {
        let Some((task, plan)) = self.running.pop_front() else {
            return Ok(());
        };
        if execution.status == Status::Diverged {
            let step = execution.diverged.unwrap_or(0);
            if Some(step + 1) != plan.segments.last().map(|it| it.1) {
                return Err(Nondeterminism {
                    step: step as usize,
                });
            }
            // The prefix was followed, but the thread of the new branch has to wait for something
            // that is no operation of ours, such as a socket. Nothing is certified then.
            self.complete = false;
            self.opened(task.node, -1);
            return Ok(());
        }
        self.complete &= execution.status != Status::TooLong && !execution.cut;
        let forced = plan.segments.last().map_or(0, |it| it.1 as usize);
        let path = self.walk(execution, forced)?;
        let asleep = sleepers(&plan, execution);
        for &race in &order.races {
            let node = path[race.first];
            let depth = race.first as u32;
            let initials = order.initials(&execution.trace, race);
            let covered = initials.iter().any(|&thread| {
                let thread = thread as u32;
                self.nodes[node as usize]
                    .branches
                    .iter()
                    .any(|it| it.thread == thread)
                    || asleep
                        .iter()
                        .any(|&(it, from, to)| it == thread && from <= depth && depth <= to)
            });
            if covered {
                continue;
            }
            let chosen = if initials.contains(&race.thread) {
                Some(race.thread)
            } else {
                initials.first().copied()
            };
            if let Some(thread) = chosen {
                let thread = thread as u32;
                self.nodes[node as usize].branches.push(Branch {
                    thread,
                    child: NONE,
                });
                let task = Task {
                    node,
                    thread: Some(thread),
                };
                if execution.trace[race.first].kind().is_access() {
                    self.pending.push(task);
                } else {
                    self.later.push(task);
                }
                self.opened(node, 1);
            }
        }
        self.opened(task.node, -1);
        self.close(&path);
        Ok(())
    }

    fn is_exhaustive(&self) -> bool {
        self.complete && self.is_done()
    }
}
