//! What each method needs. A method that has no row needs the role of a service: who adds one has to say for whom it is.

use super::Role;

/// The least that a caller has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// Nothing: probes and tools ask before anybody can sign in.
    Nothing,
    /// A token with this role, or one that may do as much.
    Role(Role),
}

/// Services that anybody may ask.
const OPEN: [&str; 3] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// Methods by service and role. Rows may stand here before their methods are there.
const TABLE: &[(&str, Role, &[&str])] = &[
    ("opentelemetry.proto.collector.metrics.v1.MetricsService", Role::Sender, &["Export"]),
    ("opentelemetry.proto.collector.logs.v1.LogsService", Role::Sender, &["Export"]),
    ("opentelemetry.proto.collector.trace.v1.TraceService", Role::Sender, &["Export"]),
    (
        "llmsre.telemetry.v1.TelemetryService",
        Role::Viewer,
        &["ListServices", "QuerySeries", "SearchLogs", "CountLogs", "ListChanges", "ListServiceCalls"],
    ),
    ("llmsre.fleet.v1.FleetService", Role::Viewer, &["GetFleet", "ListSignalRecordings"]),
    ("llmsre.dashboard.v1.DashboardService", Role::Viewer, &["Watch"]),
    (
        "llmsre.incident.v1.IncidentService",
        Role::Viewer,
        &["GetIncident", "ListIncidents", "WatchIncidents", "CheckRecovery", "ListMaintenanceWindows"],
    ),
    (
        "llmsre.incident.v1.IncidentService",
        Role::Approver,
        &[
            "AcknowledgeIncident",
            "ResolveIncident",
            "JudgeIncident",
            "ReportIncident",
            "CreateMaintenanceWindow",
            "EndMaintenanceWindow",
        ],
    ),
    ("llmsre.incident.v1.IncidentService", Role::Service, &["RecordEvent"]),
    (
        "llmsre.diagnosis.v1.DiagnosisService",
        Role::Viewer,
        &["GetDiagnosis", "ListDiagnoses", "WatchDiagnosis", "ListModelExchanges"],
    ),
    ("llmsre.diagnosis.v1.DiagnosisService", Role::Approver, &["DiagnoseIncident"]),
    (
        "llmsre.remediation.v1.RemediationService",
        Role::Viewer,
        &[
            "GetAction",
            "ListActions",
            "WatchAction",
            "ListActionTypes",
            "ListAuditRecords",
            "GetKillSwitch",
            "ListFreezes",
        ],
    ),
    (
        "llmsre.remediation.v1.RemediationService",
        Role::Approver,
        &[
            "ProposeAction",
            "ApproveAction",
            "RejectAction",
            "CancelAction",
            "RollBackAction",
            "SetKillSwitch",
            "CreateFreeze",
            "EndFreeze",
        ],
    ),
    ("llmsre.action.v1.ActionService", Role::Service, &["Validate", "Execute", "GetState", "Undo"]),
    ("llmsre.simulator.v1.SimulatorService", Role::Viewer, &["GetSimulation", "ListFaults"]),
    ("llmsre.simulator.v1.SimulatorService", Role::Admin, &["InjectFault", "ClearFault"]),
];

/// What the method with this path needs, such as `/llmsre.incident.v1.IncidentService/GetIncident`.
pub fn least(path: &str) -> Least {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let Some((service, method)) = parts else { return Least::Role(Role::Service) };
    if OPEN.contains(&service) {
        return Least::Nothing;
    }
    Least::Role(row(service, method).unwrap_or(Role::Service))
}

fn row(service: &str, method: &str) -> Option<Role> {
    let mut rows = TABLE.iter().filter(|(of, _, methods)| *of == service && methods.contains(&method));
    rows.next().map(|(_, role, _)| *role)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_contracts_says_which_role_it_needs() {
        let contracts = FileDescriptorSet::decode(llm_sre_proto::DESCRIPTORS).unwrap();
        let mut methods = 0;
        for file in &contracts.file {
            for (service, method) in
                file.service.iter().flat_map(|service| service.method.iter().map(move |method| (service, method)))
            {
                let service = format!("{}.{}", file.package(), service.name());
                let is_open = OPEN.contains(&service.as_str());
                assert!(is_open || row(&service, method.name()).is_some(), "no row for /{service}/{}", method.name());
                methods += 1;
            }
        }
        assert!(methods > 40, "the contracts have more than {methods} methods");
    }

    #[test]
    fn telemetry_is_taken_from_senders() {
        for signal in ["metrics.v1.MetricsService", "logs.v1.LogsService", "trace.v1.TraceService"] {
            let path = format!("/opentelemetry.proto.collector.{signal}/Export");
            assert_eq!(least(&path), Least::Role(Role::Sender), "{path}");
        }
    }

    #[test]
    fn no_method_has_two_rows() {
        let mut seen = BTreeSet::new();
        for (service, _, methods) in TABLE {
            for method in *methods {
                assert!(seen.insert((service, method)), "/{service}/{method} stands twice");
            }
        }
    }

    #[test]
    fn what_has_no_row_is_for_services() {
        for path in [
            "",
            "/",
            "/llmsre.incident.v1.IncidentService",
            "/llmsre.incident.v1.IncidentService/",
            "/llmsre.incident.v1.IncidentService/getincident",
            "/llmsre.incident.v1.IncidentService/GetIncident/",
            "//llmsre.incident.v1.IncidentService/GetIncident",
            "llmsre.incident.v1.IncidentService/GetIncident",
            "/llmsre.incident.v2.IncidentService/GetIncident",
            "/grpc.health.v1.Healthy/Check",
        ] {
            assert_eq!(least(path), Least::Role(Role::Service), "{path}");
        }
    }

    #[test]
    fn probes_and_reflection_need_nothing() {
        for service in OPEN {
            assert_eq!(least(&format!("/{service}/Anything")), Least::Nothing);
        }
    }
}
