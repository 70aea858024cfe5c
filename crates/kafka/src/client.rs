//! What every client of a cluster has in common: its settings, its troubles, and how they become errors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use llm_sre_ports::bus::{Error, RECORD_BYTES_MAX};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::options::Options;

/// What the protocol adds to a record, and our header with it: names and lengths of headers, the batch's frame.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// The largest message, as producers, topics and consumers must agree on.
pub(crate) const MESSAGE_BYTES_MAX: usize = RECORD_BYTES_MAX + FRAME_BYTES_MAX;
/// For so long a trouble explains calls that fail after it.
const TROUBLE_EXPLAINS: Duration = Duration::from_secs(60);

/// Locks what stays whole even where its holder panicked: each holder changes it in one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what blocks where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(Error::Unavailable(format!("a call to Kafka was cut short: {error}"))))
}

/// The settings of every client.
pub(crate) fn config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", options.brokers.join(","))
        .set("client.id", "llm-sre")
        // A topic that is missing is an error, not one partition with whatever retention.
        .set("allow.auto.create.topics", "false")
        .set("message.max.bytes", MESSAGE_BYTES_MAX.to_string())
        // A broker that restarts is back within seconds.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true")
        .set(
            "security.protocol",
            match (&options.tls, &options.sasl) {
                (None, None) => "plaintext",
                (Some(_), None) => "ssl",
                (None, Some(_)) => "sasl_plaintext",
                (Some(_), Some(_)) => "sasl_ssl",
            },
        );
    if let Some(ca_file) = options.tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
        config.set("ssl.ca.location", ca_file.display().to_string());
    }
    if let Some(sasl) = &options.sasl {
        config
            .set("sasl.mechanism", sasl.mechanism.as_str())
            .set("sasl.username", &sasl.user)
            .set("sasl.password", sasl.password.reveal());
    }
    // Warnings and worse; what else is said is for who debugs librdkafka itself.
    config.set_log_level(RDKafkaLogLevel::Warning);
    config
}

/// What went wrong lately. librdkafka tells it beside the calls that it makes fail, whose own errors are mere time-outs.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<Option<Trouble>>);

#[derive(Clone, Debug)]
struct Trouble {
    text: String,
    at: Instant,
    /// Whether waiting does not help: a wrong password stays one.
    is_refusal: bool,
}

impl Troubles {
    fn note(&self, text: &str, is_refusal: bool) {
        // "[thrd:sasl_ssl://127.0.0.1:9093/bootstrap]: " says nothing that what follows does not.
        let text = text.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(text, |(_, text)| text);
        let mut last = lock(&self.0);
        let is_known = last.as_ref().is_some_and(|last| is_same(&last.text, text));
        if !is_known {
            tracing::warn!(reason = text, "trouble with Kafka");
        }
        let is_refusal = is_refusal || (is_known && last.as_ref().is_some_and(|last| last.is_refusal));
        // What follows from a refusal says less than the refusal.
        if last.as_ref().is_some_and(|last| last.is_refusal && !is_refusal && last.at.elapsed() < TROUBLE_EXPLAINS) {
            return;
        }
        *last = Some(Trouble { text: text.to_owned(), at: Instant::now(), is_refusal });
    }

    /// What was wrong is over.
    pub(crate) fn are_over(&self) {
        if lock(&self.0).take().is_some() {
            tracing::info!("Kafka answers again");
        }
    }

    fn are_known(&self) -> bool {
        lock(&self.0).as_ref().is_some_and(|last| last.at.elapsed() < TROUBLE_EXPLAINS)
    }

    /// Why waiting will not help, if that is known.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let last = lock(&self.0).clone().filter(|last| last.is_refusal && last.at.elapsed() < TROUBLE_EXPLAINS);
        last.map(|last| Error::Unavailable(format!("Kafka refuses the connection: {}", last.text)))
    }

    /// A call that failed, with what is known of why.
    pub(crate) fn failed(&self, operation: &str, error: &KafkaError) -> Error {
        let why = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
        self.unavailable(operation, &why)
    }

    /// The same in other words.
    pub(crate) fn unavailable(&self, operation: &str, why: &str) -> Error {
        let last = lock(&self.0).clone().filter(|last| last.at.elapsed() < TROUBLE_EXPLAINS);
        let because = last.map(|last| format!("; lately: {}", last.text)).unwrap_or_default();
        Error::Unavailable(format!("Kafka: failed to {operation}: {why}{because}"))
    }
}

/// Whether two texts differ in numbers only, such as how long something took.
fn is_same(one: &str, other: &str) -> bool {
    let words = |text: &str| text.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
    words(one) == words(other)
}

/// What librdkafka calls from its threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context(pub(crate) Arc<Troubles>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, message);
        // A consumer's errors come without their reasons, which stand in the log only.
        if matches!(facility, "FAIL" | "ERROR") {
            let is_refusal = message.contains("SASL authentication error") || message.contains("SSL handshake failed");
            self.0.note(message, is_refusal);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // Who reads to the end asks to be told so; it is no trouble.
        if code == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        // It follows upon what brought them down, and says less.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) && self.0.are_known() {
            return;
        }
        let is_refusal = matches!(code, Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL));
        self.0.note(reason, is_refusal);
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_partition_is_no_trouble() {
        let context = Context::default();
        context.error(KafkaError::Global(RDKafkaErrorCode::PartitionEOF), "reached end of partition at offset 7");
        assert!(!context.0.are_known());
        context.error(KafkaError::Global(RDKafkaErrorCode::Resolve), "no such host");
        assert!(context.0.are_known());
    }
}
