//! A broker that asks for encryption and a password.

use std::path::PathBuf;

use llm_sre_kafka::{KafkaBus, Mechanism, Options, Password, Sasl, Tls};
use llm_sre_ports::bus::{Error, EventBus, Record, TopicPartition, TopicSpec};

use super::options;
use super::parts::kafka::{Kafka, PASSWORD, USER};

fn as_user(kafka: &Kafka, password: &str, ca_file: PathBuf) -> KafkaBus {
    let password = Password::new(password.to_owned());
    let options = Options {
        brokers: vec![kafka.secure_address()],
        tls: Some(Tls { ca_file: Some(ca_file) }),
        sasl: Some(Sasl { mechanism: Mechanism::ScramSha512, user: USER.to_owned(), password }),
        ..options(kafka)
    };
    KafkaBus::new(options).unwrap()
}

async fn refusal(bus: KafkaBus) -> String {
    match bus.create_topic(TopicSpec { name: "t".to_owned(), partitions: 1, retention: None }).await {
        Err(Error::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_opens_and_others_are_told_why_not() {
    let Some(kafka) = Kafka::start_secure("the_right_password_opens_and_others_are_told_why_not") else { return };
    let bus = as_user(&kafka, PASSWORD, kafka.ca());
    bus.create_topic(TopicSpec { name: "t".to_owned(), partitions: 1, retention: None }).await.unwrap();
    bus.publish("t", vec![Record::default()]).await.unwrap();
    let of = TopicPartition { topic: "t".to_owned(), partition: 0 };
    assert_eq!(bus.read(&of, 0, 10).await.unwrap().len(), 1);

    let started = std::time::Instant::now();
    let wrong_password = refusal(as_user(&kafka, "guessed", kafka.ca())).await;
    assert!(wrong_password.contains("SASL authentication error"), "{wrong_password}");
    assert!(!wrong_password.contains("guessed"), "{wrong_password}");
    let wrong_ca = refusal(as_user(&kafka, PASSWORD, kafka.other_ca())).await;
    assert!(wrong_ca.contains("certificate verify failed"), "{wrong_ca}");
    assert!(started.elapsed() < options(&kafka).answer_within, "waiting does not help, and was done");

    let no_ca = Options { tls: Some(Tls { ca_file: Some("absent.pem".into()) }), ..options(&kafka) };
    let no_ca = KafkaBus::new(no_ca).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(no_ca.contains("absent.pem: No such file"), "{no_ca}");
}
