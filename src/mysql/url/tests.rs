//! `mysql://` URLs: what they say, and that a password in them is shown to nobody.

use super::*;

#[test]
fn a_url_says_server_user_database_statement_and_parameters() {
    let url =
        "mysql://a%40b:p%3A%2F%25@[::1]:3307/my%20shop?query=SELECT+*+FROM t WHERE a = ? AND b = ?&param=x%26y&param=";
    let url = MySqlUrl::parse(url).unwrap();
    assert_eq!((url.settings.host.as_str(), url.settings.port), ("::1", 3307));
    assert_eq!(url.settings.user, "a@b");
    assert_eq!(url.settings.password.as_deref(), Some("p:/%"));
    assert_eq!(url.settings.database.as_deref(), Some("my shop"));
    assert_eq!(url.query.as_deref(), Some("SELECT * FROM t WHERE a = ? AND b = ?"));
    assert_eq!(url.params, ["x&y".into(), "".into()]);
    let bare = MySqlUrl::parse("mysql://app@db.internal").unwrap();
    assert_eq!((bare.settings.host.as_str(), bare.settings.port), ("db.internal", 3306));
    assert_eq!((bare.settings.password, bare.settings.database, bare.query), (None, None, None));
}

#[test]
fn a_password_comes_from_a_file_or_the_environment() {
    let file = std::env::temp_dir().join(format!("headstart-password-{}", std::process::id()));
    for (content, expected) in
        [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3 \n\n", "s3 \n")]
    {
        std::fs::write(&file, content).unwrap();
        let url = format!("mysql://app@127.0.0.1/?password-file={}", file.display());
        assert_eq!(MySqlUrl::parse(&url).unwrap().settings.password.as_deref(), Some(expected));
    }
    std::fs::remove_file(&file).unwrap();
    let path = std::env::var("PATH").unwrap();
    let url = MySqlUrl::parse("mysql://app@127.0.0.1/?password-env=PATH").unwrap();
    assert_eq!(url.settings.password, Some(path));
}

#[test]
fn what_is_wrong_with_a_url_is_said_by_name() {
    for (url, expected) in [
        ("postgres://app@h/db", "scheme cannot be 'postgres': mysql"),
        ("mysql://127.0.0.1/db", "user cannot be '': a name before the @"),
        ("mysql://app@/db", "host cannot be '…': a name or an address, as in mysql://user@host/database"),
        ("mysql://app@h:0/db", "port cannot be '…': 1 to 65535"),
        ("mysql://app@h:70000/db", "port cannot be '…': 1 to 65535"),
        ("mysql://app@h/db?sql=SELECT", "key cannot be 'sql': query, param, password-file or password-env"),
        ("mysql://app@h/db?query=a&query=b", "query cannot be 'b': given once"),
        ("mysql://app:x@h/db?password-env=HOME", "password-env cannot be 'HOME': the only password"),
        (
            "mysql://app@h/db?password-env=HEADSTART_UNSET",
            "password-env cannot be 'HEADSTART_UNSET': an environment variable that is set, to UTF-8",
        ),
    ] {
        let error = MySqlUrl::parse(url).expect_err(url);
        assert!(matches!(error, Error::Setting { .. }), "{url}: {error:?}");
        assert_eq!(error.to_string(), expected, "{url}");
    }
    let missing = MySqlUrl::parse("mysql://app@h/db?password-file=/nowhere/at/all").unwrap_err();
    assert!(missing.to_string().starts_with("password-file cannot be '/nowhere/at/all': a readable file"), "{missing}");
}

#[test]
fn no_mistake_shows_the_password() {
    for url in [
        "mysql://app:S3CRET@h/db",
        "mysql://app:S3CRET@h:x/db",
        "mysql://app:S3CRET@h/db?nonsense=1",
        "mysql://app:S3CRET@h/db?S3CRET",
        "mysql://app:S3CRET@/db",
        "mysql://app:S3CRET%ff@h/db",
        "mysql://app:S3CRET",
        "mysql://app:S3CRET/db",
        "mysql://app:S3CRET?x@h/db",
        "mysql://app:@x?S3CRET@h/db",
        "mysql://app:a/S3CRET@h/db",
        "mysql://:S3CRET@h/db",
        "mysql:app:S3CRET@h/db",
        "app:S3CRET@h",
        "S3CRET",
        "mysql://app@h/db?pasword=S3CRET",
    ] {
        let said = match MySqlUrl::parse(url) {
            Ok(parsed) => format!("{parsed:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!said.contains("S3CRET"), "{url}: {said}");
    }
}
