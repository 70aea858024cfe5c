//! The contracts of LLM-SRE: what its services say to each other and to the world.
//!
//! Messages and services are generated from `proto/`; `convert` holds each message's one conversion to the domain.
//! OpenTelemetry's own messages come from the crate `opentelemetry-proto`.

pub mod convert;
pub mod topics;

pub use convert::{ConvertError, otlp};

/// Generated code of one package: messages, services and proto3 JSON.
macro_rules! package {
    ($name:literal) => {
        tonic::include_proto!($name);
        include!(concat!(env!("OUT_DIR"), "/", $name, ".serde.rs"));
    };
}

/// Declares `llmsre.<name>.v1` as `<name>::v1`.
macro_rules! packages {
    ($($module:ident = $name:literal, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[allow(missing_docs, unreachable_pub, clippy::all, clippy::expect_used, clippy::unwrap_used, clippy::large_futures)]
        pub mod $module {
            /// Version 1.
            pub mod v1 {
                package!($name);
            }
        }
    )*};
}

packages! {
    action = "llmsre.action.v1", "What can be done to a running system.";
    dashboard = "llmsre.dashboard.v1", "What the page in the browser follows.";
    diagnosis = "llmsre.diagnosis.v1", "Diagnoses and their evidence.";
    fleet = "llmsre.fleet.v1", "The fleet as detection sees it.";
    incident = "llmsre.incident.v1", "Incidents and their life.";
    remediation = "llmsre.remediation.v1", "Repairs, approvals and the audit record.";
    simulator = "llmsre.simulator.v1", "The simulated shop.";
    telemetry = "llmsre.telemetry.v1", "Stored telemetry.";
}

/// All contracts as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.binpb"));

/// The JSON Schema of [`diagnosis::v1::ModelAnswer`], made from the contract with its comments: what a language model is
/// asked to answer in. Its properties have the order of the fields.
pub const MODEL_ANSWER_SCHEMA: &str = include_str!(concat!(env!("OUT_DIR"), "/model_answer.json"));
