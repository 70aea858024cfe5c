//! What is known to leak. Who closes one of these moves it to what is masked; the documents list the same.

use super::*;

#[test]
fn secrets_without_a_telling_name() {
    check_stays(&[
        "AUTH hunter2",
        "login bob hunter2",
        "params: [bob, hunter2]",
        "INSERT INTO users (name,password) VALUES ('bob','hunter2')",
        "key=9fK2mQ7vXz1LpR4t",
        "routing_key=0123456789abcdef0123456789abcdef",
        "api refused 0123456789abcdef0123456789abcdef",
        "GET /callback?code=4/0AX4XfWh",
        "trace_id=hunter2",
        "your code is 123456",
        "htpasswd -b users bob hunter2",
    ]);
}

#[test]
fn names_in_other_words() {
    check_stays(&["Passwort: hunter2", "contraseña: hunter2", "p@ssword=hunter2", "P A S S W O R D = hunter2"]);
}

#[test]
fn notations_that_are_not_read() {
    check_stays(&[
        "<name>password</name><value>hunter2</value>",
        r#"{"value":"hunter2","name":"password"}"#,
        "password|hunter2",
        "if password != hunter2",
        "password: |\n  hunter2",
        "password:\n  hunter2",
        "let password: &str = \"hunter2\";",
        "https://bob:hun ter2@host/x",
        "cGFzc3dvcmQ9aHVudGVyMg==",
    ]);
    // All after the first blank of a password without quotes.
    assert_eq!(mask("db.password=horse staple"), "db.password=<masked:password> staple");
}

#[test]
fn plain_words_that_might_be_secrets() {
    check_stays(&[
        "machine x login bob password swordfish",
        "token banana",
        "password: correct horse",
        "password=changed",
    ]);
}

#[test]
fn people() {
    check_stays(&[
        "bob@localhost",
        "bob[at]example.com",
        "\"bob smith\"@example.com",
        "(555) 123-4567",
        "0049 151 23456789",
        "4111_1111_1111_1111",
        "4111  1111  1111  1111",
        "123456789",
        "de89370400440532013000",
        "Bob Smith, 1 Main Street",
    ]);
}
