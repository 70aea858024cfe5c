//! The calls that the services make to each other.
//!
//! A thin layer over the generated clients: each call is a boxed future of its own, so that handlers which await it stay
//! simple for the compiler, and answers come without their envelope.

use std::future::Future;
use std::pin::Pin;

use llm_sre_proto::action::v1 as action;
use llm_sre_proto::action::v1::action_service_client::ActionServiceClient;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::diagnosis::v1::diagnosis_service_client::DiagnosisServiceClient;
use llm_sre_proto::incident::v1 as incident;
use llm_sre_proto::incident::v1::incident_service_client::IncidentServiceClient;
use llm_sre_proto::remediation::v1 as remediation;
use llm_sre_proto::remediation::v1::remediation_service_client::RemediationServiceClient;
use tonic::Status;

use crate::Peer;
use crate::server::MAX_MESSAGE_BYTES;

/// A call under way.
pub type Call<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// Declares a client and its calls: what it is for, its generated client, and a row a call.
macro_rules! client {
    ($(#[$doc:meta])* $name:ident over $generated:ident { $($(#[$call_doc:meta])* $call:ident($request:ty) -> $answer:ty;)* }) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name($generated<Peer>);

        impl $name {
            /// Over a peer.
            pub fn new(peer: Peer) -> Self {
                Self($generated::new(peer).max_decoding_message_size(MAX_MESSAGE_BYTES))
            }

            $($(#[$call_doc])*
            pub fn $call(&self, request: $request) -> Call<$answer> {
                let mut client = self.0.clone();
                Box::pin(async move { client.$call(request).await.map(tonic::Response::into_inner) })
            })*
        }
    };
}

client! {
    /// The owner of incidents.
    Incidents over IncidentServiceClient {
        /// One incident.
        get_incident(incident::GetIncidentRequest) -> incident::Incident;
        /// Incidents, newest first.
        list_incidents(incident::ListIncidentsRequest) -> incident::ListIncidentsResponse;
        /// Opens an incident that somebody reports.
        report_incident(incident::ReportIncidentRequest) -> incident::Incident;
        /// Tells what a diagnosis or an action came to.
        record_event(incident::RecordEventRequest) -> incident::Incident;
        /// Measures recovery.
        check_recovery(incident::CheckRecoveryRequest) -> incident::CheckRecoveryResponse;
        /// Maintenance windows, newest first.
        list_maintenance_windows(incident::ListMaintenanceWindowsRequest) -> incident::ListMaintenanceWindowsResponse;
    }
}

client! {
    /// The owner of diagnoses.
    Diagnoses over DiagnosisServiceClient {
        /// Starts a diagnosis.
        diagnose_incident(diagnosis::DiagnoseIncidentRequest) -> diagnosis::Diagnosis;
        /// One diagnosis.
        get_diagnosis(diagnosis::GetDiagnosisRequest) -> diagnosis::Diagnosis;
        /// The diagnoses of an incident, newest first.
        list_diagnoses(diagnosis::ListDiagnosesRequest) -> diagnosis::ListDiagnosesResponse;
    }
}

client! {
    /// The owner of actions.
    Remediation over RemediationServiceClient {
        /// Plans a repair.
        propose_action(remediation::ProposeActionRequest) -> remediation::Action;
        /// The actions of an incident, newest first.
        list_actions(remediation::ListActionsRequest) -> remediation::ListActionsResponse;
        /// Withdraws an action.
        cancel_action(remediation::CancelActionRequest) -> remediation::Action;
    }
}

client! {
    /// A target that actions are done to.
    Target over ActionServiceClient {
        /// Checks a call without effect.
        validate(action::ValidateRequest) -> action::ValidateResponse;
        /// Starts an action.
        execute(action::ExecuteRequest) -> action::ExecuteResponse;
        /// What became of an action.
        get_state(action::GetStateRequest) -> action::GetStateResponse;
        /// Takes an action back.
        undo(action::UndoRequest) -> action::UndoResponse;
    }
}
