//! A node with TLS and a password.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use llm_sre_adapters::opensearch::{Options, Password, Store};
use llm_sre_ports::contract::Kit;

use crate::parts::{self, OpenSearch};
use crate::{prefix, test};

static NODE: LazyLock<Option<OpenSearch>> = LazyLock::new(|| OpenSearch::start_secure(&test()));

/// How to reach it; a skip is reported for each test that lacks it.
fn options() -> Option<Options> {
    if NODE.is_none() {
        parts::find(&test(), "opensearch")?;
    }
    let node = NODE.as_ref()?;
    let (user, password) = node.credentials();
    Some(Options {
        credentials: Some((user, Password::new(password))),
        authorities_pem: Some(std::fs::read(node.authority_file()).unwrap()),
        start_wait: Duration::from_secs(30),
        ..Options::new(&node.url(), &prefix())
    })
}

async fn opened() -> Option<Store> {
    Some(Store::open(options()?).await.unwrap())
}

suites!(opened);

#[tokio::test]
async fn a_wrong_password_or_authority_is_refused_and_nothing_is_told() {
    let Some(options) = options() else { return };
    let node = NODE.as_ref().unwrap();
    let (user, password) = node.credentials();
    let refusal = |options: Options| async move {
        let debug = format!("{options:?}");
        let error = Store::open(Options { start_wait: Duration::ZERO, ..options }).await.unwrap_err().to_string();
        (error, debug)
    };
    let wrong = Options { credentials: Some((user, Password::new("wrong-Pass-1".to_owned()))), ..options.clone() };
    let (error, debug) = refusal(wrong).await;
    assert!(error.contains("401") && !error.contains("wrong-Pass-1") && !debug.contains("wrong-Pass-1"), "{error}");

    let (error, _) = refusal(Options { credentials: None, ..options.clone() }).await;
    assert!(error.contains("401"), "{error}");

    let other = std::fs::read(node.other_authority_file()).unwrap();
    let (error, debug) = refusal(Options { authorities_pem: Some(other), ..options.clone() }).await;
    assert!(error.contains("certificate") && !error.contains(&password) && !debug.contains(&password), "{error}");

    let (error, _) = refusal(Options { authorities_pem: Some(b"no certificate".to_vec()), ..options }).await;
    assert!(error.contains("CA"), "{error}");
}
