//! What reaches a server.

use super::*;

/// What a request to either kind of server must say.
fn check_body(body: &str, limit: &str) -> Value {
    // Not through a map, which would sort it.
    assert!(body.contains(SCHEMA), "the schema goes out as it is: {body}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["messages"][0], json!({ "role": "system", "content": prompt().system }));
    assert_eq!(body["messages"][1], json!({ "role": "user", "content": prompt().user }));
    assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    assert_eq!(body["response_format"]["type"], "json_schema");
    assert_eq!(body["response_format"]["json_schema"]["name"], "diagnosis");
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!((&body["stream"], &body[limit]), (&json!(false), &json!(321)));
    assert!(body.get("n").is_none());
    body
}

#[tokio::test]
async fn azure_gets_its_path_its_header_and_its_limit() {
    let server = Server::start(Reply::json(&completion())).await;
    // A slash more or less makes no other address.
    let model = OpenAi::build(azure(&format!("{}/", server.url()))).unwrap();
    assert_eq!((model.provider(), model.name()), ("azure.ai.openai", "a-deployment"));
    model.complete(&prompt()).await.unwrap();

    let request = server.requests().remove(0);
    let path = "/openai/deployments/a-deployment/chat/completions?api-version=2024-10-21";
    assert_eq!(request.line, format!("POST {path} HTTP/1.1"));
    assert_eq!(request.header("api-key"), Some(KEY));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body = check_body(&request.body, "max_completion_tokens");
    assert!(["max_tokens", "model", "temperature"].iter().all(|name| body.get(name).is_none()), "{body}");
}

/// Its models that think refuse a temperature, and the old name of the limit.
#[tokio::test]
async fn openai_itself_gets_what_its_newest_models_take() {
    let server = Server::start(Reply::json(&completion())).await;
    let mut options = compatible(&server.url());
    options.server =
        Api::Compatible { url: format!("{}/v1", server.url()), model: "m".to_owned(), provider: "openai".to_owned() };
    OpenAi::build(options).unwrap().complete(&prompt()).await.unwrap();
    let body = check_body(&server.requests().remove(0).body, "max_completion_tokens");
    assert!(["max_tokens", "temperature"].iter().all(|name| body.get(name).is_none()), "{body}");
}

#[tokio::test]
async fn a_compatible_server_gets_its_path_its_header_and_its_limit() {
    let server = Server::start(Reply::json(&completion())).await;
    let model = OpenAi::build(compatible(&server.url())).unwrap();
    assert_eq!((model.provider(), model.name()), ("some_provider", "a-model"));
    model.complete(&prompt()).await.unwrap();

    let request = server.requests().remove(0);
    assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(request.header("api-key"), None);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept-encoding"), None);
    let body = check_body(&request.body, "max_tokens");
    assert_eq!(body["model"], "a-model");
    assert!(body.get("max_completion_tokens").is_none() && body["temperature"] == 0);
}

#[tokio::test]
async fn without_a_key_there_is_no_header_for_one() {
    let server = Server::start(Reply::json(&completion())).await;
    let model = OpenAi::build(Options { key: None, ..compatible(&server.url()) }).unwrap();
    model.complete(&prompt()).await.unwrap();
    assert_eq!(server.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn every_call_is_one_request_on_a_connection_of_its_own() {
    let server = Server::start(Reply::json(&completion())).await;
    let model = OpenAi::build(compatible(&server.url())).unwrap();
    assert_eq!(server.connections(), 0, "building opens none");
    for calls in 1..=3 {
        model.complete(&prompt()).await.unwrap();
        assert_eq!((server.connections(), server.requests().len()), (calls, calls));
    }
}

/// The environment of this process is not to be changed, so that another has the proxy.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "requests::every_call_is_one_request_on_a_connection_of_its_own"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        test.env(name, "http://127.0.0.1:1");
    }
    let output = test.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn a_schema_that_is_no_json_is_not_sent() {
    let server = Server::start(Reply::json(&completion())).await;
    let schema = Schema { json: "{\"type\": secret".to_owned(), ..prompt().schema };
    let result = OpenAi::build(compatible(&server.url())).unwrap().complete(&Prompt { schema, ..prompt() }).await;
    assert!(matches!(&result, Err(Error::Rejected(reason)) if !reason.contains("secret")), "{result:?}");
    assert_eq!(server.connections(), 0);
}
