//! From a diagnosis to a stored action.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::diagnose::Hypothesis;
use llm_sre_domain::incident::{Actor, EventKind, Incident};
use llm_sre_domain::remedy::{Action, NothingToDo, Plan, PlanInput, Spec, TargetState, plan};
use llm_sre_mesh::records::{Stored, Write};
use llm_sre_mesh::{TraceContext, names, status};
use llm_sre_ports::leases::Lease;
use llm_sre_proto::ConvertError;
use llm_sre_proto::convert::incident::{action_name, diagnosis_id};
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::remediation::v1;
use tonic::Status;
use uuid::Uuid;

use crate::kept::Kept;
use crate::service::Answered;
use crate::target::CALL_TIMEOUT;
use crate::{Service, report};

/// How often a plan asks targets; each question is about another spec. It asks about the first treatment that is left.
const QUESTIONS_MAX: u32 = 4;
/// The lease that lets one instance plan or start at a time.
const GATE: &str = "remediation/gate";
/// Longer than a plan takes with every target at its time-out.
const GATE_TTL: Duration = Duration::from_secs(60);
const _: () = assert!(QUESTIONS_MAX as u64 * CALL_TIMEOUT.as_secs() < GATE_TTL.as_secs());
/// How long a caller waits when another instance plans.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a plan is made of.
struct Sources {
    incident: Incident,
    name: String,
    hypotheses: Vec<Hypothesis>,
    diagnosis: String,
}

impl Service {
    /// Plans and stores, or says why there is nothing to store.
    pub(crate) async fn propose(&self, request: v1::ProposeActionRequest) -> Result<v1::Action, Status> {
        let parent = names::parse_incident("parent", &request.parent)?;
        names::check_request_id(&request.request_id)?;
        if !request.diagnosis.is_empty()
            && names::parse_child("diagnosis", &request.diagnosis, "diagnoses")?.0 != parent
        {
            return Err(status::invalid_argument("diagnosis", format!("is none of {}", request.parent)));
        }
        if let Some(answered) = self.answered(parent, &request.request_id).await? {
            return self.settle(answered).await.map(shown);
        }
        let started = self.stages.now_unix_nano();
        let context = TraceContext::current();
        let sources = self.sources(&request).await?;
        let _one_at_a_time = self.gate.lock().await;
        let lease = self.gate_lease().await?;
        let planning = self.plan_and_store(parent, &sources, &request, started, &lease);
        let result = Box::pin(context_scope(context, planning)).await;
        self.release(lease).await;
        self.changed.notify_one();
        result
    }

    async fn plan_and_store(
        &self,
        parent: Uuid,
        sources: &Sources,
        request: &v1::ProposeActionRequest,
        started: u64,
        gate: &Lease,
    ) -> Result<v1::Action, Status> {
        let plan = self.plan(parent, sources).await?;
        if let Plan::NothingToDo(why) = &plan {
            return self.nothing_to_do(why, &plan, sources, request.validate_only).await;
        }
        let (told, waits) = (plan.report(), plan.waits());
        let action = Action::from_plan(plan, self.policy.limits.approval_expiry_s, self.clock.now());
        let action = action.ok_or_else(|| status::internal("a plan without an action"))?;
        if request.validate_only {
            return Ok((&action).into());
        }
        let name = action_name(action.plan.incident, action.plan.id);
        let now_unix_nano = self.stages.now_unix_nano();
        let mut kept = Kept::new(&action, now_unix_nano);
        let (step, detail) = (format!("planned: {:?}", action.state), action.plan.rationale.clone());
        kept.owe_step(&Actor::product(), &step.to_lowercase(), detail, self.clock.now());
        kept.replan = waits;
        // The same suggestion or refusal can follow from another diagnosis, and is then news again.
        let again = sources.diagnosis.get(sources.diagnosis.len().saturating_sub(12)..).unwrap_or_default();
        match &told {
            Some(kind) if waits => kept.owe_wait(kind),
            Some(kind) => kept.owe_report(kind, &Actor::product(), &format!("/{again}")),
            None => {}
        }
        let mut stage = kept.stage("propose", started..now_unix_nano, &kept.action, "");
        stage.attributes.push(("llm_sre.diagnosis".to_owned(), sources.diagnosis.clone()));
        kept.unstaged.push(stage);
        kept.owe_automatic_approval(now_unix_nano);
        let id = kept.id().to_owned();
        self.keep_gate(gate).await?;
        if let Write::Conflict = self.actions.create(&id, &kept, kept.attributes()).await? {
            self.same_again(&name, &kept, told.filter(|_| waits)).await?;
        }
        self.remember(parent, &request.request_id, &name).await?;
        let stored = self.find(&name).await?;
        let scope = TraceContext::of_stage(parent, &kept.stage_key("propose"));
        Box::pin(scope.scope(self.settle(stored))).await.map(shown)
    }

    /// The plan named an action that is stored: what it says now is owed again, and where it waits, what for if that is
    /// something else by now.
    async fn same_again(&self, name: &str, news: &Kept, wait: Option<EventKind>) -> Result<(), Status> {
        let stored = self.find(name).await?;
        let mut kept = stored.message.clone();
        kept.replan = news.replan;
        let is_other = kept.action.blocks != news.action.blocks;
        if kept.action.state() == v1::ActionState::Blocked && kept.action.state == news.action.state {
            kept.action.blocks.clone_from(&news.action.blocks);
        }
        match wait {
            Some(_) if stored.message.replan && !is_other => return Ok(()),
            Some(wait) => kept.owe_wait(&wait),
            None => kept.unreported.extend(news.unreported.iter().cloned()),
        }
        self.write(&stored, &kept).await?.map(|_| ()).ok_or_else(|| status::etag_mismatch(name))
    }

    /// Asks targets as long as the plan wants to.
    async fn plan(&self, parent: Uuid, sources: &Sources) -> Result<Plan, Status> {
        let known = self.known(parent).await?;
        let mut targets: BTreeMap<Spec, TargetState> = BTreeMap::new();
        for _ in 0..QUESTIONS_MAX {
            let made = plan(PlanInput {
                incident: &sources.incident,
                hypotheses: &sources.hypotheses,
                around: self.around(&known),
                targets: &targets,
            });
            let Plan::AskTarget(spec) = made else { return Ok(made) };
            let answer = self.ask(&sources.name, &spec).await?;
            targets.insert(spec, answer);
        }
        Err(status::internal(format!("the plan for {} asks without end", sources.name)))
    }

    /// The target's word for a plan. One that is away for a moment is waited for, by the caller: its silence would block the
    /// plan and call people. One that stays away refuses.
    async fn ask(&self, incident: &str, spec: &Spec) -> Result<TargetState, Status> {
        let about = format!("{incident}/plan/{}", spec.target);
        match self.targets.validate(spec).await {
            Ok(answer) => {
                self.memory.answered(&about);
                Ok(answer)
            }
            Err(reason) if self.memory.is_silent(&about) => Ok(TargetState::Refused { reason }),
            Err(reason) => {
                Err(status::unavailable(&format!("the action target of {}", spec.target), reason, RETRY_AFTER))
            }
        }
    }

    async fn nothing_to_do(
        &self,
        why: &NothingToDo,
        plan: &Plan,
        sources: &Sources,
        validate_only: bool,
    ) -> Result<v1::Action, Status> {
        if let NothingToDo::ActionLives { action } = why {
            return self.find(&action_name(sources.incident.id, *action)).await.map(shown);
        }
        if let (Some(kind), false) = (plan.report(), validate_only) {
            let about = if sources.diagnosis.is_empty() { &sources.name } else { &sources.diagnosis };
            let id = format!("{about}/{}", report::kind(&kind));
            let call = report::request(&sources.name, "", &kind, &Actor::product(), id);
            if let Some(call) = call {
                self.incidents.record_event(call).await?;
            }
        }
        let message = match plan {
            Plan::NothingToDo(why) => format!("{} has no action to propose: {why:?}", sources.name),
            _ => sources.name.clone(),
        };
        Err(status::failed_precondition("NOTHING_TO_DO", message))
    }

    async fn sources(&self, request: &v1::ProposeActionRequest) -> Result<Sources, Status> {
        let found = self.incident(&request.parent).await?;
        let mut incident = Incident::try_from(&found).map_err(|error| unreadable(&request.parent, &error))?;
        let name = if request.diagnosis.is_empty() { found.diagnosis.clone() } else { request.diagnosis.clone() };
        let diagnosis = self.diagnosis(&request.parent, name).await?;
        if diagnosis.state() == diagnosis::DiagnosisState::Running {
            let message = format!("{} is still being made", diagnosis.name);
            return Err(status::failed_precondition("DIAGNOSIS_NOT_FINISHED", message));
        }
        incident.diagnosis =
            diagnosis_id("diagnosis", &diagnosis.name).map_err(|error| unreadable(&diagnosis.name, &error))?;
        // Without a supported hypothesis nothing is planned, whatever else the diagnosis holds.
        let is_explained = diagnosis.state() == diagnosis::DiagnosisState::Succeeded;
        let hypotheses = diagnosis.hypotheses.iter().filter(|_| is_explained).map(Hypothesis::try_from);
        let hypotheses: Result<Vec<_>, _> = hypotheses.collect();
        let hypotheses = hypotheses.map_err(|error| unreadable(&diagnosis.name, &error))?;
        Ok(Sources { incident, name: request.parent.clone(), hypotheses, diagnosis: diagnosis.name })
    }

    /// The incident as its owner knows it.
    pub(crate) async fn incident(&self, name: &str) -> Result<incident::Incident, Status> {
        self.incidents.get_incident(incident::GetIncidentRequest { name: name.to_owned() }).await
    }

    /// The diagnosis of that name; without a name the newest.
    async fn diagnosis(&self, parent: &str, name: String) -> Result<diagnosis::Diagnosis, Status> {
        if !name.is_empty() {
            return self.diagnoses.get_diagnosis(diagnosis::GetDiagnosisRequest { name }).await;
        }
        let request = diagnosis::ListDiagnosesRequest { parent: parent.to_owned(), page_size: 1, ..Default::default() };
        let newest = self.diagnoses.list_diagnoses(request).await?.diagnoses.into_iter().next();
        let missing = || status::failed_precondition("DIAGNOSIS_NOT_FINISHED", format!("{parent} has no diagnosis"));
        newest.ok_or_else(missing)
    }

    async fn answered(&self, parent: Uuid, request_id: &str) -> Result<Option<Stored<Kept>>, Status> {
        if request_id.is_empty() {
            return Ok(None);
        }
        match self.requests.get(&format!("{parent}/{request_id}")).await? {
            Some(answered) => self.find(&answered.message.action).await.map(Some),
            None => Ok(None),
        }
    }

    async fn remember(&self, parent: Uuid, request_id: &str, action: &str) -> Result<(), Status> {
        if request_id.is_empty() {
            return Ok(());
        }
        let answered = Answered { action: action.to_owned() };
        let id = format!("{parent}/{request_id}");
        self.requests.create(&id, &answered, BTreeMap::new()).await.map(|_| ())
    }

    /// The right to plan or start, among all instances.
    pub(crate) async fn gate_lease(&self) -> Result<Lease, Status> {
        let unavailable =
            |error: &dyn std::fmt::Display| status::unavailable("the store of leases", error, RETRY_AFTER);
        let lease = self.leases.acquire(GATE, &self.holder, GATE_TTL).await.map_err(|error| unavailable(&error))?;
        lease.ok_or_else(|| unavailable(&"another instance plans or starts an action"))
    }

    /// Makes sure that no other instance plans or starts meanwhile, right before what was judged is stored: the store
    /// and targets may have taken their time.
    pub(crate) async fn keep_gate(&self, gate: &Lease) -> Result<(), Status> {
        let renewed = self.leases.renew(gate, GATE_TTL).await;
        renewed.map_err(|error| status::unavailable("the right to plan or start", error, RETRY_AFTER))
    }

    /// Gives a lease back. A lease that cannot be given back runs out.
    pub(crate) async fn release(&self, lease: Lease) {
        if let Err(error) = self.leases.release(lease).await {
            tracing::warn!(%error, "a lease runs out by itself");
        }
    }
}

/// An action as callers see it.
pub(crate) fn shown(stored: Stored<Kept>) -> v1::Action {
    v1::Action { etag: stored.etag(), ..stored.message.action }
}

fn unreadable(name: &str, error: &ConvertError) -> Status {
    status::internal(format!("{name} cannot be read: {error}"))
}

/// Planning belongs to the trace of whoever asked for it.
async fn context_scope<T>(context: Option<TraceContext>, work: impl Future<Output = T>) -> T {
    match context {
        Some(context) => context.scope(work).await,
        None => work.await,
    }
}
