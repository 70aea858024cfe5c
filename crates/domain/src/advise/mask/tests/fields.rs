//! Fields with telling names.

use super::*;

#[test]
fn pairs_in_every_notation() {
    check(&[
        ("password=hunter2", "password=<masked:password>"),
        ("password: hunter2", "password: <masked:password>"),
        (r#""password":"hunter2""#, r#""password":"<masked:password>""#),
        (r#"{"password": "hunter two", "user": "bob"}"#, r#"{"password": "<masked:password>", "user": "bob"}"#),
        ("{'password': 'hunter2', 'n': 1}", "{'password': '<masked:password>', 'n': 1}"),
        (r#"[password] => hunter2"#, "[password] => <masked:password>"),
        (r#":password=>"hunter2", :a=>1"#, r#":password=>"<masked:password>", :a=>1"#),
        ("login --password hunter2 --host db", "login --password <masked:password> --host db"),
        ("login --password=hunter2 --host db", "login --password=<masked:password> --host db"),
        (r#"args: ["--password", "hunter2"]"#, r#"args: ["--password", "<masked:password>"]"#),
        (r#"{\"password\":\"hunter2\",\"a\":1}"#, r#"{\"password\":\"<masked:password>\",\"a\":1}"#),
        (
            r#"{\\\"password\\\":\\\"hu\\\\\\\"nter\\\",\\\"a\\\":1}"#,
            r#"{\\\"password\\\":\\\"<masked:password>\\\",\\\"a\\\":1}"#,
        ),
        (r#""password":"C:\\","user":"bob""#, r#""password":"<masked:password>","user":"bob""#),
        (r#""password":"a\"b","user":"bob""#, r#""password":"<masked:password>","user":"bob""#),
        (r#""password":"hunter"#, r#""password":"<masked:password>"#),
        ("password = \"hunter2\"\nport = 1", "password = \"<masked:password>\"\nport = 1"),
        ("password:\thunter2\nport: 1", "password:\t<masked:password>\nport: 1"),
        ("GET /in?user=bob&password=hunter2&x=1", "GET /in?user=bob&password=<masked:password>&x=1"),
        ("next=%2Fin%3Fpassword%3Dhunter2%26x%3D1", "next=%2Fin%3Fpassword%3D<masked:password>%26x%3D1"),
        (r#""/in?password=hunter2\u0026x=1""#, r#""/in?password=<masked:password>\u0026x=1""#),
        (r#"password\u003dhunter2"#, r#"password\u003d<masked:password>"#),
        ("&quot;password&quot;:&quot;hunter2&quot;}", "&quot;password&quot;:&quot;<masked:password>&quot;}"),
        ("%22password%22%3A%22hunter2%22%7D", "%22password%22%3A%22<masked:password>%22%7D"),
        ("<password>hunter2</password>", "<password><masked:password></password>"),
        ("<c:password>hunter2</c:password>", "<c:password><masked:password></c:password>"),
        (r#"<db user="a" password="hunter2"/>"#, r#"<db user="a" password="<masked:password>"/>"#),
        (
            r#"Config { user: "a", password: Some("hunter2") }"#,
            r#"Config { user: "a", password: Some("<masked:password>") }"#,
        ),
        (r#"password=u'hunter2'"#, "password=u'<masked:password>'"),
        ("passwords: [\"hunter2\", \"hunter3\"]", "passwords: [\"<masked:password>\", \"<masked:password>\"]"),
        ("- name: DB_PASSWORD\n  value: hunter2", "- name: DB_PASSWORD\n  value: <masked:password>"),
        (r#"{"name":"DB_PASSWORD","value":"hunter2"}"#, r#"{"name":"DB_PASSWORD","value":"<masked:password>"}"#),
        ("Server=db;User=sa;Password=hun;ter2;Port=1", "Server=db;User=sa;Password=<masked:password>;Port=1"),
        ("{password=hunter2, user=bob}", "{password=<masked:password>, user=bob}"),
        ("(password=hunter2)", "(password=<masked:password>)"),
        ("password->hunter2", "password-><masked:password>"),
        ("user%5Bpassword%5D=hunter2", "user%5Bpassword%5D=<masked:password>"),
        ("password[]=hunter2&api_key[0]=abc", "password[]=<masked:password>&api_key[0]=<masked:key>"),
        (r#"""password"":""hunter2"",""a"":1"#, r#"""password"":""<masked:password>"",""a"":1"#),
        (r#"password = """hunter2""" "#, r#"password = """<masked:password>""" "#),
        (r#"password="hun"ter2 x"#, r#"password=<masked:password> x"#),
        ("setPassword(\"hunter2\")", "setPassword(\"<masked:password>\")"),
        ("{\"secret\":{\"v\":\"x9\"},\"a\":1}", "{\"secret\":{<masked:secret>},\"a\":1}"),
        (r"p\u0061ss\u200bword=hunter2", "password=<masked:password>"),
        ("password=a,b user=c", "password=<masked:password> user=c"),
        (r"user=bob\npassword=hunter2\nhost=db", r"user=bob\npassword=<masked:password>\nhost=db"),
        ("“password”: “hunter2”", "“password”: “<masked:password>”"),
    ]);
}

#[test]
fn names_in_every_form() {
    let secret = "Zk3vQ9xT7";
    let names = "\
        password, dbPassword, DB_PASSWORD, db-passwd, PGPASSWORD, user.pwd, spring.datasource.password, passphrase, \
        pw, password1, passwordConfirm, password_hash, client_secret, clientSecret, SECRET, appSecretValue, token, \
        access_token, accessToken, X-Auth-Token, csrftoken, OAuth2Token, idToken, api_key, apiKey, APIKEY, api-key, \
        x-api-key, API key, access_key, aws_secret_access_key, private_key, privateKeyPem, credential, credentials, \
        X-Amz-Credential, session_id, sessionId, JSESSIONID, PHPSESSID, session id, sid, jwt, signature, \
        X-Amz-Signature, sig, dsn, SENTRY_DSN, ConnectionString, AccountKey, SharedAccessKey, SharedAccessSignature, \
        auth, x-auth, encryption_key, pаssword, ｐａｓｓｗｏｒｄ, tοken, _authToken, authorization, cookie";
    for name in names.split(", ") {
        for line in [format!("{name}={secret}"), format!("{name}: {secret}"), format!("\"{name}\":\"{secret}\"")] {
            let masked = mask(&line);
            assert!(!masked.contains(secret), "{line} became {masked}");
            assert!(masked.starts_with(line.split(['=', ':']).next().unwrap()), "{line} became {masked}");
        }
    }
}

#[test]
fn invisible_characters_hide_no_name() {
    for hidden in
        ["\u{200b}", "\u{200d}", "\u{200f}", "\u{2060}", "\u{feff}", "\u{ad}", "\u{1b}[3m", "\\u001b[0m", "\0"]
    {
        assert_eq!(mask(&format!("pass{hidden}word{hidden}={hidden}hun{hidden}ter2")), "password=<masked:password>");
    }
    assert_eq!(mask("ok \u{1b}[31mred\u{1b}[0m"), "ok red");
    assert_eq!(mask("\\x1b[\\x1b[0m31mred"), "red", "a sequence within another");
}

#[test]
fn headers_of_all_schemes() {
    check(&[
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer <masked:token>"),
        ("authorization: Basic dXNlcjpw, x", "authorization: Basic <masked:token>, x"),
        (r#"{"authorization":"Bearer abc def","a":1}"#, r#"{"authorization":"Bearer <masked:token>","a":1}"#),
        (r#"{\"authorization\":\"Bearer abc\"}"#, r#"{\"authorization\":\"Bearer <masked:token>\"}"#),
        (r#"curl -H "Authorization: Token abc" http://x"#, r#"curl -H "Authorization: Token <masked:token>" http://x"#),
        ("curl -H 'Authorization: ApiKey abc' http://x", "curl -H 'Authorization: ApiKey <masked:token>' http://x"),
        (r#"Authorization: Digest username="Mu", realm="a b", response="6629""#, "Authorization: <masked:token>"),
        (
            r#""m":"Authorization: Digest username=\"Mu\", response=\"66\"","a":1"#,
            r#""m":"Authorization: <masked:token>","a":1"#,
        ),
        ("Proxy-Authorization: Negotiate YII=", "Proxy-Authorization: Negotiate <masked:token>"),
        ("Authorization: Strange a b c\nHost: x", "Authorization: <masked:token>\nHost: x"),
        ("Authorization: abc Host: shop status=1", "Authorization: <masked:token> Host: shop status=1"),
        (r"Authorization: Bearer abc\r\nHost: x", r"Authorization: Bearer <masked:token>\r\nHost: x"),
        (
            "map[Accept:[*/*] Authorization:[Bearer abc] Host:[x]]",
            "map[Accept:[*/*] Authorization:[Bearer <masked:token>] Host:[x]]",
        ),
        ("http.request.header.authorization=Bearer abc", "http.request.header.authorization=Bearer <masked:token>"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKID/2026/s3, SignedHeaders=host, Signature=fe5f",
            "Authorization: <masked:token>",
        ),
        ("sent Bearer abcdef12345 to api", "sent Bearer <masked:token> to api"),
        ("auth: Basic dXNlcjpw", "auth: Basic <masked:token>"),
        ("Cookie: sid=abc; theme=dark", "Cookie: <masked:cookie>"),
        ("Cookie: sid=abc; theme=dark Host: shop", "Cookie: <masked:cookie> Host: shop"),
        ("Set-Cookie: sid=abc; Path=/; HttpOnly\nHost: x", "Set-Cookie: <masked:cookie>\nHost: x"),
        (r#""set-cookie":["sid=abc; Path=/","b=c"]"#, r#""set-cookie":["<masked:cookie>","<masked:cookie>"]"#),
        (r#""cookies":{"sid":"abc","x":{"y":1}},"a":1"#, r#""cookies":{<masked:cookie>},"a":1"#),
        ("curl -b 'x' -H 'Cookie: sid=abc; t=1' http://x", "curl -b 'x' -H 'Cookie: <masked:cookie>' http://x"),
        (r#"(b"authorization", b"Bearer abc")"#, r#"(b"authorization", b"Bearer <masked:token>")"#),
        (r#"["cookie","sid=abc"]"#, r#"["cookie","<masked:cookie>"]"#),
        ("X-Api-Key: abc", "X-Api-Key: <masked:key>"),
    ]);
}

#[test]
fn prose_and_commands() {
    check(&[
        ("the password is hunter2, ok", "the password is <masked:password>, ok"),
        ("the password for bob is hunter2", "the password for bob is <masked:password>"),
        ("password was changed to hunter2", "password was changed to <masked:password>"),
        ("OTP is 123456", "OTP is <masked:secret>"),
        ("pw was swordfish", "pw was <masked:password>"),
        ("password set to hunter2", "password set to <masked:password>"),
        ("bob logs in with password hunter2!", "bob logs in with password <masked:password>!"),
        ("invalid password \"swordfish\" for bob", "invalid password \"<masked:password>\" for bob"),
        ("CREATE USER a IDENTIFIED BY 'swordfish'", "CREATE USER a IDENTIFIED BY '<masked:password>'"),
        ("ALTER ROLE a WITH PASSWORD 'swordfish';", "ALTER ROLE a WITH PASSWORD '<masked:password>';"),
        ("invalid token 5f3a9b0c1d2e4f60718 rejected", "invalid token <masked:token> rejected"),
        ("token is 5f3a9b rejected", "token is <masked:token> rejected"),
        ("curl -u bob:hunter2 http://x", "curl -u <masked:credentials> http://x"),
        ("curl -sS --user 'bob:hunter2' http://x", "curl -sS --user '<masked:credentials>' http://x"),
        ("/usr/bin/mysql -h db -phunter2 shop", "/usr/bin/mysql -h db -p<masked:password> shop"),
        ("mysqldump -p'hunt er2' shop", "mysqldump -p'<masked:password>' shop"),
        ("redis-cli -a hunter2 ping", "redis-cli -a <masked:credentials> ping"),
        ("sshpass -p hunter2 ssh a", "sshpass -p <masked:credentials> ssh a"),
        ("docker login -u bob -p hunter2 reg.io", "docker login -u bob -p <masked:credentials> reg.io"),
    ]);
}

#[test]
fn user_info_in_addresses() {
    check(&[
        ("postgres://app:hunter2@db:5432/shop", "postgres://<masked:credentials>@db:5432/shop"),
        ("mongodb+srv://app:hunter2@a.mongodb.net/x", "mongodb+srv://<masked:credentials>@a.mongodb.net/x"),
        ("redis://:hunter2@cache", "redis://<masked:credentials>@cache"),
        ("amqp://a:p@ss@mq/x down", "amqp://<masked:credentials>@mq/x down"),
        ("postgres://app:p/s@db/shop", "postgres://<masked:credentials>@db/shop"),
        ("https://abcdef@o1.ingest.sentry.io/2", "https://<masked:credentials>@o1.ingest.sentry.io/2"),
        (r"mysql:\/\/a:b@db\/x", r"mysql:\/\/<masked:credentials>@db\/x"),
        ("u=https%3A%2F%2Fa:b%40host%2Fx", "u=https%3A%2F%2F<masked:credentials>%40host%2Fx"),
        ("root:hunter2@tcp(db:3306)/shop", "<masked:credentials>@tcp(db:3306)/shop"),
        ("jdbc:oracle:thin:scott/tiger@db:1521:x", "<masked:credentials>@db:1521:x"),
        ("jdbc:mysql://db/x?user=a&password=b", "jdbc:mysql://db/x?user=a&password=<masked:password>"),
    ]);
}
