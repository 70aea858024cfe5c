//! The commands that ask running services.

mod actions;
mod advice;
pub(crate) mod audit;
mod diagnose;
mod exchanges;
mod faults;
mod health;
mod holds;
mod incidents;
mod maintenance;
mod post_mortem;

use std::pin::Pin;

use llm_sre_mesh::access::Bearer;
use llm_sre_mesh::server::MAX_MESSAGE_BYTES;
use llm_sre_mesh::{Peer, peer};
use llm_sre_proto::diagnosis::v1::diagnosis_service_client::DiagnosisServiceClient;
use llm_sre_proto::incident::v1::incident_service_client::IncidentServiceClient;
use llm_sre_proto::remediation::v1::remediation_service_client::RemediationServiceClient;
use llm_sre_proto::simulator::v1::simulator_service_client::SimulatorServiceClient;
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use tonic::{Code, Status};

pub(crate) use actions::what;
pub(crate) use faults::{kind_of, kind_text};
pub(crate) use incidents::severity_text;

use crate::cli::{self, Client, Mutation};
use crate::config::{self, Config, Endpoints};
use crate::wiring;

/// The services behind one address.
#[derive(Clone)]
pub(crate) struct Services {
    peer: Peer,
    /// What is shown to those that are elsewhere.
    token: Option<Bearer>,
}

impl Services {
    /// Behind the flag's address, or else the configuration's.
    pub(crate) fn new(client: &Client, config: &Config) -> anyhow::Result<Self> {
        let address = address(client, config);
        let bad = |error: peer::InvalidEndpoint| config::Error::Key {
            place: "--address".to_owned(),
            key: "listen.control".to_owned(),
            reason: error.to_string(),
        };
        let token = wiring::own_token(client.token_file.as_deref(), config)?;
        Ok(Self { peer: peer::signed_in(peer::remote(&address).map_err(bad)?, token.as_ref()), token })
    }

    /// Behind a peer.
    pub(crate) fn over(peer: Peer) -> Self {
        Self { peer, token: None }
    }

    /// These, or those at the addresses, where there are some.
    pub(crate) fn or_at(&self, elsewhere: &Endpoints) -> anyhow::Result<Self> {
        if elsewhere.is_empty() {
            return Ok(self.clone());
        }
        let peer = peer::signed_in(peer::remote_any(elsewhere.addresses())?, self.token.as_ref());
        Ok(Self { peer, token: self.token.clone() })
    }

    pub(crate) fn incidents(&self) -> IncidentServiceClient<Peer> {
        IncidentServiceClient::new(self.peer.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn diagnoses(&self) -> DiagnosisServiceClient<Peer> {
        DiagnosisServiceClient::new(self.peer.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn remediation(&self) -> RemediationServiceClient<Peer> {
        RemediationServiceClient::new(self.peer.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn simulator(&self) -> SimulatorServiceClient<Peer> {
        SimulatorServiceClient::new(self.peer.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// Runs a command that asks running services.
pub(crate) async fn run(command: Asking, config: &Config) -> anyhow::Result<()> {
    let (address, asking): (_, Pin<Box<dyn Future<Output = anyhow::Result<()>>>>) = match command {
        Asking::Incidents(arguments) => {
            (address(&arguments.client, config), Box::pin(incidents::run(arguments, config)))
        }
        Asking::Diagnose(arguments) => (address(&arguments.client, config), Box::pin(diagnose::run(arguments, config))),
        Asking::Exchanges(arguments) => {
            (address(&arguments.client, config), Box::pin(exchanges::run(arguments, config)))
        }
        Asking::Actions(arguments) => (address(&arguments.client, config), Box::pin(actions::run(arguments, config))),
        Asking::KillSwitch(arguments) => {
            (address(&arguments.client, config), Box::pin(holds::kill_switch(arguments, config)))
        }
        Asking::Freeze(arguments) => (address(&arguments.client, config), Box::pin(holds::freeze(arguments, config))),
        Asking::Maintenance(arguments) => {
            (address(&arguments.client, config), Box::pin(maintenance::run(arguments, config)))
        }
        Asking::Audit(arguments) => (address(&arguments.client, config), Box::pin(audit::run(arguments, config))),
        Asking::Faults(arguments) => (address(&arguments.client, config), Box::pin(faults::run(arguments, config))),
        Asking::Health(arguments) => (address(&arguments.client, config), Box::pin(health::run(arguments, config))),
    };
    asking.await.map_err(|error| match error.downcast_ref::<Status>() {
        Some(status) => anyhow::anyhow!(explain(status, &address)),
        None => error,
    })
}

/// The commands that ask running services.
pub(crate) enum Asking {
    Incidents(cli::Incidents),
    Diagnose(cli::Diagnose),
    Exchanges(cli::Exchanges),
    Actions(cli::Actions),
    Audit(cli::Audit),
    KillSwitch(cli::KillSwitch),
    Freeze(cli::Freeze),
    Maintenance(cli::Maintenance),
    Faults(cli::Faults),
    Health(cli::Health),
}

fn address(client: &Client, config: &Config) -> String {
    let address = client.address.clone().unwrap_or_else(|| config.listen.control.to_string());
    if address.contains("://") { address } else { format!("http://{address}") }
}

/// A status as one line for people: the sentence, then code and reason for who looks them up.
fn explain(status: &Status, address: &str) -> String {
    let reason = llm_sre_mesh::status::reason(status).map(|reason| format!(", {reason}")).unwrap_or_default();
    let message = status.message().replace('\n', " ");
    let message = match (status.code(), message.is_empty()) {
        (_, true) => status.code().description().to_owned(),
        (Code::Unavailable, false) if reason.is_empty() => format!("nobody answers at {address}: {message}"),
        _ => message,
    };
    format!("{message} ({:?}{reason})", status.code())
}

/// `incidents/{uuid}` of a name or an id.
fn incident_name(text: &str) -> String {
    if text.starts_with("incidents/") { text.to_owned() } else { format!("incidents/{text}") }
}

/// The caller's request id, or one of its own, so that a retry below this program has one effect.
fn request_id(given: Option<&String>) -> String {
    given.cloned().unwrap_or_else(|| uuid::Uuid::now_v7().to_string())
}

impl Mutation {
    fn request_id(&self) -> String {
        request_id(self.request_id.as_ref())
    }
}

/// `[namespace/]name[@environment]` of an identity.
pub(crate) fn service_text(service: Option<&ServiceIdentity>) -> String {
    let Some(service) = service else { return String::new() };
    let namespace = if service.namespace.is_empty() { String::new() } else { format!("{}/", service.namespace) };
    let environment = if service.environment.is_empty() { String::new() } else { format!("@{}", service.environment) };
    format!("{namespace}{}{environment}", service.name)
}

/// Who, and what they had to say.
fn said(actor: &str, note: &str) -> String {
    if note.is_empty() { actor.to_owned() } else { format!("{actor}: {note}") }
}

/// The identity of `[namespace/]name[@environment]`.
pub(crate) fn parse_service(text: &str) -> ServiceIdentity {
    let (service, environment) = text.rsplit_once('@').unwrap_or((text, ""));
    let (namespace, name) = service.rsplit_once('/').unwrap_or(("", service));
    ServiceIdentity { namespace: namespace.to_owned(), name: name.to_owned(), environment: environment.to_owned() }
}
