//! Options that are wrong.

use llm_sre_adapters::openai::BuildError;

use super::*;

fn refused(options: Options) -> BuildError {
    let error = OpenAi::build(options).expect_err("it must be refused");
    assert!(!format!("{error} {error:?}").contains(KEY));
    error
}

/// What is said of an address, with a key and without.
fn check_url(url: &str, option_with_key: Option<&str>, option_without: Option<&str>) {
    for (key, expected) in [(Some(Secret::new(KEY.to_owned())), option_with_key), (None, option_without)] {
        let server = Api::Compatible { url: url.to_owned(), model: "m".to_owned(), provider: "p".to_owned() };
        let built = OpenAi::build(Options { server, key, ..compatible("") });
        match (built, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(start)) => assert!(error.to_string().starts_with(start), "{url}: {error}"),
            (built, _) => panic!("{url}: {built:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn an_address_is_one_of_a_server() {
    let no = Some("url is not the address of a server");
    for url in ["127.0.0.1:8080", "here", "ftp://host/v1", "http://", "https://host/v1?a=b", "https://host/v1#a"] {
        check_url(url, no, no);
    }
    check_url("", Some("url is empty"), Some("url is empty"));
    check_url("https://host/v1", None, None);
    check_url("https://[2001:db8::1]:8443/v1/", None, None);
}

#[test]
fn an_address_holds_no_credentials() {
    for url in [format!("https://user:{KEY}@host/v1"), format!("https://{KEY}@host/v1")] {
        check_url(&url, Some("url holds a user or a password"), Some("url holds a user or a password"));
    }
}

#[test]
fn a_key_never_goes_to_another_machine_in_clear_text() {
    for url in
        ["http://10.0.0.1/v1", "http://host/v1", "http://localhost.evil.example/v1", "http://127.0.0.1.example/v1"]
    {
        check_url(url, Some("url is plain http to another machine"), None);
    }
    for url in ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:8080/v1", "http://127.9.9.9/"] {
        check_url(url, None, None);
    }
    let error = refused(azure("http://name.openai.azure.com"));
    assert_eq!(error, BuildError::ClearText { option: "endpoint" });
}

#[test]
fn azure_needs_a_key() {
    assert_eq!(refused(Options { key: None, ..azure("https://name.openai.azure.com") }), BuildError::KeyMissing);
}

#[test]
fn nothing_is_empty_or_zero() {
    let base = "http://127.0.0.1:1";
    let with_key = |key: &str| Options { key: Some(Secret::new(key.to_owned())), ..compatible(base) };
    let named = |model: &str, provider: &str| Options {
        server: Api::Compatible { url: base.to_owned(), model: model.to_owned(), provider: provider.to_owned() },
        ..compatible(base)
    };
    for (option, options) in [
        ("timeout", Options { timeout: Duration::ZERO, ..azure(base) }),
        ("answer_bytes_max", Options { answer_bytes_max: 0, ..azure(base) }),
        ("key", with_key("")),
        ("model", named(" ", "p")),
        ("provider", named("m", "")),
        ("endpoint", azure("")),
    ] {
        assert_eq!(refused(options), BuildError::Empty { option });
    }
}

#[test]
fn what_goes_into_a_header_or_a_path_stays_there() {
    let base = "http://127.0.0.1:1";
    let at = |api_version: &str, deployment: &str| Options {
        server: Api::Azure {
            endpoint: base.to_owned(),
            api_version: api_version.to_owned(),
            deployment: deployment.to_owned(),
        },
        ..azure(base)
    };
    let is_about = |options: Options, wrong: &str| {
        let error = refused(options);
        assert!(matches!(&error, BuildError::Characters { option, .. } if *option == wrong), "{error:?}");
    };
    is_about(at("2024&x=y", "d"), "api_version");
    for deployment in ["a/b", "..", "a?b", "a b", "ä", "a%2fb"] {
        is_about(at("2024-10-21", deployment), "deployment");
    }
    for key in [format!("{KEY}\n"), format!("{KEY}\r\nx-evil: 1"), format!("{KEY} "), format!("{KEY}ü")] {
        is_about(Options { key: Some(Secret::new(key.clone())), ..compatible(base) }, "key");
        is_about(Options { key: Some(Secret::new(key)), ..azure(base) }, "key");
    }
}
