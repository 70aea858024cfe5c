//! `FleetService` on the wire: how every service is, as detection sees it now, and how the signals of an incident moved.

use std::sync::atomic::Ordering;

use llm_sre_domain::detect::{CallVitals, Detector, Troubles, Vitals};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::fleet::v1;
use llm_sre_proto::fleet::v1::fleet_service_server::{FleetService, FleetServiceServer};
use tonic::{Request, Response, Status};

use crate::Service;

/// Services of one answer.
const SERVICES_MAX: usize = 5_000;
/// Calls of one answer, each of one service to another: as many as a page can still show as a table.
const CALLS_MAX: usize = 5_000;
/// Services that are looked at before detection goes on, once it was asked what is abnormal.
const SERVICES_AT_ONCE: usize = 64;

/// How services were at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    read_to: Timestamp,
    truncated: bool,
    services: Vec<v1::ServiceHealth>,
    calls: Vec<v1::ServiceCallHealth>,
    calls_truncated: bool,
}

impl Service {
    /// The full name of the service that tells how services are, for health.
    pub const FLEET_NAME: &str = "llmsre.fleet.v1.FleetService";

    /// The service that tells how services are, ready to be mounted.
    pub fn fleet_server(&self) -> FleetServiceServer<Self> {
        FleetServiceServer::new(self.clone()).max_decoding_message_size(llm_sre_mesh::server::MAX_MESSAGE_BYTES)
    }

    /// What detection says now. Of all who ask at once one looks, and the others wait for what it sees.
    async fn vitals(&self) -> Said {
        let mut said = self.said.lock().await;
        let read_to = self.brain().detector.watermark();
        if said.read_to != read_to || read_to == Timestamp::EPOCH {
            *said = self.look_at_all().await;
        }
        said.clone()
    }

    async fn look_at_all(&self) -> Said {
        let (mut services, found, read_to) = {
            let brain = self.brain();
            let services: Vec<ServiceId> = brain.detector.services().take(SERVICES_MAX + 1).cloned().collect();
            (services, brain.detector.abnormal(), brain.detector.watermark())
        };
        let truncated = services.len() > SERVICES_MAX;
        services.truncate(SERVICES_MAX);
        let troubles = Troubles::of(found);
        let (mut vitals, mut calls) = (Vec::with_capacity(services.len()), Vec::new());
        for some in services.chunks(SERVICES_AT_ONCE) {
            let (found, called) = self.with_detector(|detector| {
                let found = some.iter().filter_map(|service| detector.vitals(service, &troubles));
                // One more than there is room for says that there are more.
                let called = some.iter().flat_map(|service| detector.call_vitals(service));
                let called = called.take((CALLS_MAX + 1).saturating_sub(calls.len()));
                (found.collect::<Vec<Vitals>>(), called.collect::<Vec<CallVitals>>())
            });
            vitals.extend(found);
            calls.extend(called);
            tokio::task::yield_now().await;
        }
        let calls_truncated = calls.len() > CALLS_MAX;
        calls.truncate(CALLS_MAX);
        let calls = calls.iter().map(Into::into).collect();
        Said { read_to, truncated, services: vitals.iter().map(Into::into).collect(), calls, calls_truncated }
    }

    fn with_detector<T>(&self, look: impl FnOnce(&Detector) -> T) -> T {
        look(&self.brain().detector)
    }
}

#[tonic::async_trait]
impl FleetService for Service {
    async fn get_fleet(&self, _request: Request<v1::GetFleetRequest>) -> Result<Response<v1::Fleet>, Status> {
        self.check_detecting()?;
        let current = self.is_current.load(Ordering::Relaxed);
        let Said { read_to, truncated, mut services, mut calls, calls_truncated } = self.vitals().await;
        let now = self.clock.now();
        // Whoever was well when detection came no further may be anything by now, and no number is of now.
        if now.since(read_to) > self.options.stale_after {
            let well = services.iter_mut().filter(|service| service.state() == v1::HealthState::Well);
            well.for_each(|service| service.set_state(v1::HealthState::Unknown));
            services.iter_mut().for_each(forget);
            calls.iter_mut().for_each(forget_call);
        }
        Ok(Response::new(v1::Fleet {
            services,
            truncated,
            read_time: (read_to > Timestamp::EPOCH).then(|| to_proto_time(read_to)),
            time: Some(to_proto_time(now)),
            current,
            calls,
            calls_truncated,
        }))
    }

    async fn list_signal_recordings(
        &self,
        request: Request<v1::ListSignalRecordingsRequest>,
    ) -> Result<Response<v1::ListSignalRecordingsResponse>, Status> {
        let parent = request.into_inner().parent;
        self.recordings_of(&parent).await.map(Response::new)
    }
}

/// Leaves of a service that it is there, and what was wrong with it.
fn forget(service: &mut v1::ServiceHealth) {
    (service.requests_per_second, service.error_ratio, service.latency_s) = (None, None, None);
    service.latency_dimension.clear();
    (service.saturation, service.burn_rate, service.measure_time) = (None, None, None);
    service.saturation_metric.clear();
}

/// Leaves of calls that they are made, and not how they fare.
fn forget_call(calls: &mut v1::ServiceCallHealth) {
    (calls.requests_per_second, calls.error_ratio, calls.latency_s) = (None, None, None);
    calls.latency_dimension.clear();
    calls.measure_time = None;
}
