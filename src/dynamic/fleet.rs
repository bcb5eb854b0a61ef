//! Several agents that run plans side by side; results come back in the order of the plans, with
//! sites numbered alike whichever agent ran them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::agent_process::{AgentError, AgentProcess, Isolation, Target};
use super::event::Event;
use super::interpreter::Interpreter;
use super::protocol::{Execution, Plan, Policy, Site};

/// The sites of a program, numbered by first appearance.
#[derive(Debug, Default)]
pub struct Sites {
    list: Vec<Site>,
    numbers: FxHashMap<SiteKey, u32>,
}

/// File, line, columns, inner, breaks and label: what tells sites apart.
type SiteKey = (String, u32, u32, u32, bool, bool, String);

impl Sites {
    /// The site of this number.
    pub fn get(&self, number: u32) -> Option<&Site> {
        self.list
            .get(number as usize)
            .filter(|site| !site.file.is_empty())
    }

    fn intern(&mut self, site: Site) -> u32 {
        let key = (
            site.file.clone(),
            site.line,
            site.column,
            site.end,
            site.inner,
            site.breaks,
            site.label.clone(),
        );
        let next = self.list.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.list.push(site);
        }
        number
    }
}

/// Longest time without a step that programs are given which proved to be slow.
const MAX_PATIENCE: Duration = Duration::from_secs(60);

/// A plan with what it did, or why that is not known.
pub type Received = Result<(Plan, Execution), Box<(Plan, AgentError)>>;

struct Agent {
    process: AgentProcess,
    /// The agent's number of a site → ours.
    sites: Vec<u32>,
    waiting: VecDeque<Plan>,
}

/// Agents that run plans side by side.
pub struct Fleet {
    interpreter: Interpreter,
    target: Target,
    isolate: Isolation,
    patience: Duration,
    agents: Vec<Agent>,
    /// The agents that were given a plan, in order.
    order: VecDeque<usize>,
    /// Results that came while something else was waited for.
    stash: VecDeque<Received>,
    next: usize,
    /// The sites met so far.
    pub sites: Sites,
    /// The source files of the program executed so far.
    pub files: BTreeSet<String>,
}

impl Fleet {
    /// Starts the first agent; others are started when there is work for them.
    ///
    /// # Errors
    /// The interpreter or the program cannot be run.
    pub fn start(
        interpreter: Interpreter,
        target: Target,
        isolate: Isolation,
        patience: Duration,
    ) -> Result<Self, AgentError> {
        let mut fleet = Self {
            interpreter,
            target,
            isolate,
            patience,
            agents: Vec::new(),
            order: VecDeque::new(),
            stash: VecDeque::new(),
            next: 0,
            sites: Sites::default(),
            files: BTreeSet::new(),
        };
        fleet.add()?;
        Ok(fleet)
    }

    /// Which Python runs the program.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// What is run.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How runs are kept apart.
    pub fn isolation(&self) -> Isolation {
        self.isolate
    }

    /// Pytest items that the first agent found.
    pub fn items(&self) -> &[String] {
        self.agents
            .first()
            .map_or(&[], |agent| agent.process.items.as_slice())
    }

    /// How long a run may go without a step from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// How long a run may go without a step.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Starts over with a child process for each run.
    ///
    /// # Errors
    /// The agent cannot be started again.
    pub fn isolate_by_fork(&mut self) -> Result<(), AgentError> {
        self.isolate = Isolation::Fork;
        self.agents.clear();
        self.order.clear();
        self.stash.clear();
        self.next = 0;
        self.add()
    }

    /// Starts another agent.
    ///
    /// # Errors
    /// It does not start.
    pub fn add(&mut self) -> Result<(), AgentError> {
        let process = AgentProcess::start(
            &self.interpreter,
            &self.target,
            self.isolate,
            self.agents.len(),
        )?;
        self.agents.push(Agent {
            process,
            sites: Vec::new(),
            waiting: VecDeque::new(),
        });
        Ok(())
    }

    /// How many agents there are.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// How many plans are under way.
    pub fn under_way(&self) -> usize {
        self.order.len() + self.stash.len()
    }

    /// Gives a plan to the next agent.
    pub fn submit(&mut self, plan: Plan) {
        let at = self.next % self.agents.len();
        self.next += 1;
        let agent = &mut self.agents[at];
        // A dead agent is noticed, with its reason, when its result is waited for.
        let _ = agent.process.send(&localised(&plan, &agent.sites));
        agent.waiting.push_back(plan);
        self.order.push_back(at);
    }

    /// The result of the earliest plan under way.
    ///
    /// # Errors
    /// Its agent died or hung; it is replaced, and its other plans are run by the new one.
    pub fn receive(&mut self) -> Received {
        match self.stash.pop_front() {
            Some(received) => received,
            None => self.receive_next(),
        }
    }

    fn receive_next(&mut self) -> Received {
        let Some(at) = self.order.pop_front() else {
            let error = AgentError::Start("no plan is under way".to_owned());
            return Err(Box::new((Plan::default(), error)));
        };
        let received = self.agents[at].process.receive(self.patience);
        let plan = self.agents[at].waiting.pop_front().unwrap_or_default();
        let received = match received {
            Err(lost) if !plan.journal && lost.is_of_the_run() => self.again(at, &plan, lost),
            other => self.translated(at, other),
        };
        let usable = received.as_ref().is_ok_and(|it| it.reusable);
        if !usable && let Err(worse) = self.replace(at) {
            return Err(Box::new((plan, worse)));
        }
        match received {
            Ok(execution) => Ok((plan, execution)),
            Err(error) => Err(Box::new((plan, error))),
        }
    }

    /// Runs a plan that ended its process once more, in a new one and with a journal.
    fn again(&mut self, at: usize, plan: &Plan, lost: AgentError) -> Result<Execution, AgentError> {
        let waiting = std::mem::take(&mut self.agents[at].waiting);
        let received = self.journaled(at, plan);
        let agent = &mut self.agents[at];
        for plan in &waiting {
            let _ = agent.process.send(&localised(plan, &agent.sites));
        }
        agent.waiting = waiting;
        match (received, lost) {
            // It was slow: it does take steps.
            (Ok(execution), AgentError::Hung { .. }) => {
                self.patience = (self.patience * 2).min(MAX_PATIENCE);
                Ok(execution)
            }
            (Err(known), _) if known.is_of_the_run() => Err(known),
            (_, lost) => Err(lost),
        }
    }

    fn journaled(&mut self, at: usize, plan: &Plan) -> Result<Execution, AgentError> {
        self.replace(at)?;
        let mut plan = Plan {
            journal: true,
            ..plan.clone()
        };
        if plan.hot.is_some() {
            // The new process numbers its sites by a first run.
            let first = Plan::free(Policy::GoOn, 0, plan.max_steps);
            self.run_on(at, &first)?;
        }
        plan.detail = true;
        self.run_on(at, &plan)
    }

    fn run_on(&mut self, at: usize, plan: &Plan) -> Result<Execution, AgentError> {
        let agent = &mut self.agents[at];
        // A dead agent is noticed, with its reason, when its result is waited for.
        let _ = agent.process.send(&localised(plan, &agent.sites));
        let received = agent.process.receive(self.patience);
        self.translated(at, received)
    }

    /// Runs one plan now; results of plans under way are kept for [`Self::receive`].
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub fn run(&mut self, plan: Plan) -> Result<Execution, AgentError> {
        while !self.order.is_empty() {
            let received = self.receive_next();
            self.stash.push_back(received);
        }
        self.submit(plan);
        self.receive_next()
            .map(|(_, execution)| execution)
            .map_err(|it| it.1)
    }

    fn replace(&mut self, at: usize) -> Result<(), AgentError> {
        let process = AgentProcess::start(&self.interpreter, &self.target, self.isolate, at)?;
        let agent = &mut self.agents[at];
        agent.process = process;
        agent.sites.clear();
        for plan in &agent.waiting {
            let _ = agent.process.send(&localised(plan, &agent.sites));
        }
        Ok(())
    }

    /// With sites numbered as they are here.
    fn translated(
        &mut self,
        at: usize,
        mut received: Result<Execution, AgentError>,
    ) -> Result<Execution, AgentError> {
        match &mut received {
            Ok(execution) => self.translate(at, execution),
            Err(error) => {
                if let Some(execution) = error.steps() {
                    self.translate(at, execution);
                }
            }
        }
        received
    }

    fn translate(&mut self, at: usize, execution: &mut Execution) {
        let agent = &mut self.agents[at];
        let rare = &mut execution.rare;
        if !rare.sites.is_empty() {
            agent.sites.truncate(rare.first_site);
            for site in rare.sites.drain(..) {
                agent.sites.push(self.sites.intern(site));
            }
        }
        self.files.extend(rare.files.drain(..));
        let map = &agent.sites;
        for event in execution.trace.iter_mut().chain(&mut execution.pending) {
            let site = map.get(event.site() as usize).copied().unwrap_or(0);
            *event = event.at(site);
        }
        for held in rare.detail.iter_mut().flat_map(|it| &mut it.held) {
            *held = map.get(*held as usize).copied().unwrap_or(0);
        }
        for blocked in &mut rare.blocked {
            blocked.site = map.get(blocked.site as usize).copied().unwrap_or(0);
        }
    }
}

/// A plan with sites numbered as this agent does.
fn localised(plan: &Plan, sites: &[u32]) -> Plan {
    let Some(hot) = &plan.hot else {
        return plan.clone();
    };
    let local: Arc<[u32]> = (0..sites.len() as u32)
        .filter(|&it| hot.binary_search(&sites[it as usize]).is_ok())
        .collect();
    Plan {
        hot: Some(local),
        ..plan.clone()
    }
}

impl Event {
    fn at(self, site: u32) -> Self {
        Self(self.0 & !(0xF_FFFF << 28) | u64::from(site) << 28)
    }
}
