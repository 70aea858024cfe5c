//! `SimulatorService`: the shop is looked at, broken and mended from outside.

use llm_sre_mesh::{names, page, status};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::simulator::v1::simulator_service_server::SimulatorService;
use llm_sre_proto::simulator::v1::{
    ClearFaultRequest, Fault, FaultKind, FaultOnset, FaultState, GetSimulationRequest, InjectFaultRequest,
    ListFaultsRequest, ListFaultsResponse, SimulatedService, Simulation,
};
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use tonic::{Code, Request, Response, Status};

use crate::service::Service;
use crate::target::refused;
use crate::world::blueprint::{ENVIRONMENT, NAMESPACE};
use crate::world::control::Control;
use crate::world::fault::{self, Kind, Onset, State};
use crate::world::{Injection, Refused, World};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

#[tonic::async_trait]
impl SimulatorService for Service {
    async fn get_simulation(&self, _: Request<GetSimulationRequest>) -> Result<Response<Simulation>, Status> {
        let (accepted_exports, lost_exports) = self.exports();
        let world = self.world();
        let mut services: Vec<_> = world
            .services
            .iter()
            .map(|service| SimulatedService {
                identity: Some(identity(service.name())),
                version: service.version().to_owned(),
                instances: u32::try_from(service.instances.len()).unwrap_or(u32::MAX),
                callees: callees(&world, service),
            })
            .collect();
        services.sort_by(|a, b| a.identity.as_ref().map(|id| &id.name).cmp(&b.identity.as_ref().map(|id| &id.name)));
        Ok(Response::new(Simulation {
            services,
            time: Some(to_proto_time(world.now)),
            speed: self.speed,
            seed: world.seed,
            accepted_exports,
            lost_exports,
        }))
    }

    async fn inject_fault(&self, request: Request<InjectFaultRequest>) -> Result<Response<Fault>, Status> {
        let request = request.into_inner();
        names::check_request_id(&request.request_id)?;
        let injection = Injection {
            kind: kind(request.kind)?,
            onset: onset(request.onset)?,
            service: request.service_name,
            seed: request.seed,
            request_id: request.request_id,
        };
        let mut world = self.world();
        let fault = world.inject(&injection, request.validate_only).map_err(|refusal| match refusal {
            Refused::Unknown(refusal) => refused(refusal),
            Refused::Broken { number, .. } => {
                let (name, message) = (name(number), refusal.to_string());
                status::error(Code::AlreadyExists, "ALREADY_BROKEN", message, &[("fault", &name)])
            }
            Refused::NoEntry(_) => status::invalid_argument("service_name", refusal.to_string()),
            Refused::TooMany => status::failed_precondition("TOO_MANY_FAULTS", refusal.to_string()),
        })?;
        tracing::info!(kind = ?fault.kind, service = world.services[fault.service].name(), "a fault was asked for");
        Ok(Response::new(told(&world, &fault)))
    }

    async fn list_faults(&self, request: Request<ListFaultsRequest>) -> Result<Response<ListFaultsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size, PAGE_DEFAULT, PAGE_MAX)?;
        let before = match request.page_token.as_str() {
            "" => u64::MAX,
            token => token.parse().map_err(|_| status::invalid_argument("page_token", "is not from a list before"))?,
        };
        let world = self.world();
        let matching = world
            .faults
            .iter()
            .rev()
            .filter(|fault| fault.number < before && (!request.active_only || fault.state == State::Active));
        let (faults, more) = page::cut(matching.take(size + 1).collect::<Vec<_>>(), size);
        let last = faults.last().filter(|_| more);
        let next_page_token = last.map(|fault| fault.number.to_string()).unwrap_or_default();
        let faults = faults.into_iter().map(|fault| told(&world, fault)).collect();
        Ok(Response::new(ListFaultsResponse { faults, next_page_token }))
    }

    async fn clear_fault(&self, request: Request<ClearFaultRequest>) -> Result<Response<Fault>, Status> {
        let asked = request.into_inner().name;
        let number = asked.strip_prefix("faults/").and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| {
            status::invalid_argument("name", format!("'{asked}' is not a fault's name; it has the form faults/{{id}}"))
        })?;
        let mut world = self.world();
        let fault = world.clear(number).ok_or_else(|| status::not_found(&asked))?;
        Ok(Response::new(told(&world, &fault)))
    }
}

fn name(number: u64) -> String {
    format!("faults/{number}")
}

fn identity(name: &str) -> ServiceIdentity {
    ServiceIdentity { namespace: NAMESPACE.to_owned(), name: name.to_owned(), environment: ENVIRONMENT.to_owned() }
}

/// Names of the services that a service calls.
fn callees(world: &World, service: &crate::world::service::Service) -> Vec<String> {
    let callees = service.blueprint.calls.iter().filter_map(|call| world.callee(call));
    callees.map(|callee| world.services[callee].name().to_owned()).collect()
}

fn kind(given: i32) -> Result<Option<Kind>, Status> {
    match FaultKind::try_from(given) {
        Ok(FaultKind::Unspecified) => Ok(None),
        Ok(FaultKind::BadDeploy) => Ok(Some(Kind::BadDeploy)),
        Ok(FaultKind::ConnectionPoolExhaustion) => Ok(Some(Kind::PoolExhaustion)),
        Ok(FaultKind::MemoryLeak) => Ok(Some(Kind::MemoryLeak)),
        Ok(FaultKind::BadConfiguration) => Ok(Some(Kind::BadConfiguration)),
        Ok(FaultKind::CpuSaturation) => Ok(Some(Kind::CpuSaturation)),
        Ok(FaultKind::DiskFull) => Ok(Some(Kind::DiskFull)),
        Ok(FaultKind::DependencyOutage) => Ok(Some(Kind::DependencyOutage)),
        Ok(FaultKind::ExpiredCertificate) => Ok(Some(Kind::ExpiredCertificate)),
        Ok(FaultKind::CacheStampede) => Ok(Some(Kind::CacheStampede)),
        Ok(FaultKind::Overload) => Ok(Some(Kind::Overload)),
        Ok(FaultKind::SlowNetwork) => Ok(Some(Kind::SlowNetwork)),
        Ok(FaultKind::MisleadingDeploy) => Ok(Some(Kind::MisleadingDeploy)),
        Ok(FaultKind::TrafficPeak) => Ok(Some(Kind::Control(Control::TrafficPeak))),
        Ok(FaultKind::HarmlessDeploy) => Ok(Some(Kind::Control(Control::HarmlessDeploy))),
        Ok(FaultKind::NoisyInstance) => Ok(Some(Kind::Control(Control::NoisyInstance))),
        Ok(FaultKind::PausedSender) => Ok(Some(Kind::Control(Control::PausedSender))),
        Ok(FaultKind::ClockJump) => Ok(Some(Kind::Control(Control::ClockJump))),
        Err(_) => Err(status::invalid_argument("kind", format!("{given} is not a kind of fault"))),
    }
}

fn onset(given: i32) -> Result<Option<Onset>, Status> {
    match FaultOnset::try_from(given) {
        Ok(FaultOnset::Unspecified) => Ok(None),
        Ok(FaultOnset::Sudden) => Ok(Some(Onset::Sudden)),
        Ok(FaultOnset::Gradual) => Ok(Some(Onset::Gradual)),
        Err(_) => Err(status::invalid_argument("onset", format!("{given} is not an onset"))),
    }
}

fn told(world: &World, fault: &fault::Fault) -> Fault {
    let kind = match fault.kind {
        Kind::BadDeploy => FaultKind::BadDeploy,
        Kind::PoolExhaustion => FaultKind::ConnectionPoolExhaustion,
        Kind::MemoryLeak => FaultKind::MemoryLeak,
        Kind::BadConfiguration => FaultKind::BadConfiguration,
        Kind::CpuSaturation => FaultKind::CpuSaturation,
        Kind::DiskFull => FaultKind::DiskFull,
        Kind::DependencyOutage => FaultKind::DependencyOutage,
        Kind::ExpiredCertificate => FaultKind::ExpiredCertificate,
        Kind::CacheStampede => FaultKind::CacheStampede,
        Kind::Overload => FaultKind::Overload,
        Kind::SlowNetwork => FaultKind::SlowNetwork,
        Kind::MisleadingDeploy => FaultKind::MisleadingDeploy,
        Kind::Control(Control::TrafficPeak) => FaultKind::TrafficPeak,
        Kind::Control(Control::HarmlessDeploy) => FaultKind::HarmlessDeploy,
        Kind::Control(Control::NoisyInstance) => FaultKind::NoisyInstance,
        Kind::Control(Control::PausedSender) => FaultKind::PausedSender,
        Kind::Control(Control::ClockJump) => FaultKind::ClockJump,
    };
    let onset = match fault.onset {
        Onset::Sudden => FaultOnset::Sudden,
        Onset::Gradual => FaultOnset::Gradual,
    };
    let state = match fault.state {
        State::Active => FaultState::Active,
        State::Cured => FaultState::Cured,
        State::Cleared => FaultState::Cleared,
    };
    Fault {
        name: name(fault.number),
        kind: kind.into(),
        service: Some(identity(world.services[fault.service].name())),
        onset: onset.into(),
        seed: fault.seed,
        start_time: Some(to_proto_time(fault.started)),
        end_time: fault.ended.map(to_proto_time),
        state: state.into(),
        cure: fault.kind.cure().to_owned(),
    }
}
