//! Connections to MariaDB that are encrypted, with its certificate checked or not.

mod databases;

use std::path::Path;

use databases::TestDatabase;
use facerecog_pipeline::store::{Store, StoreError};

/// Makes who signs certificates, and the server's in `folder`/tls, for the name `localhost`.
fn make_certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let tls = folder.join("tls");
    std::fs::create_dir(&tls).unwrap();
    for (name, signs) in [("ca", true), ("other", false)] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(tls.join(name).with_extension("pem"), issuer.pem()).unwrap();
        if signs {
            let key = KeyPair::generate().unwrap();
            let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let server = server.signed_by(&key, &issuer).unwrap();
            std::fs::write(tls.join("cert.pem"), server.pem()).unwrap();
            std::fs::write(tls.join("key.pem"), key.serialize_pem()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_encryption_gets_it_and_is_checked_when_asked_for() {
    // It goes with the server.
    let folder = tempfile::tempdir().unwrap().keep();
    make_certificates(&folder);
    let url = databases::start_mariadb(&folder, Some(std::process::id()));
    let named = url.replace("127.0.0.1", "localhost");
    let file = |name: &str| folder.join("tls").join(name).display().to_string();
    let (ca, other) = (file("ca.pem"), file("other.pem"));

    for address in [
        url.clone(),
        format!("{url}?ssl-mode=REQUIRED"),
        format!("{url}?ssl-mode=VERIFY_CA&ssl-ca={ca}"),
        format!("{named}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
    ] {
        let store = Store::connect(&address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        store.ping().await.unwrap();
    }
    let database = TestDatabase::at(&url);
    let cipher =
        "select length(variable_value) from information_schema.session_status where variable_name = 'ssl_cipher'";
    assert!(database.number(cipher).await > 0);

    for (address, connection) in [
        // The server refuses it.
        (format!("{url}?ssl-mode=DISABLED"), false),
        // Nobody well-known signed its certificate, nor somebody else, and it is of another name.
        (format!("{url}?ssl-mode=VERIFY_CA"), true),
        (format!("{url}?ssl-mode=VERIFY_CA&ssl-ca={other}"), true),
        (format!("{url}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"), true),
    ] {
        let error = Store::connect(&address).await.expect_err(&address);
        assert!(!error.is_temporary(), "{address}: {error:?}");
        assert_eq!(matches!(error, StoreError::Connection(_)), connection, "{address}: {error:?}");
        assert!(!error.to_string().contains("password123"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_has_no_encryption_is_used_unless_it_must() {
    let database = databases::mariadb().await;
    for mode in ["PREFERRED", "DISABLED"] {
        Store::connect(&format!("{}?ssl-mode={mode}", database.url)).await.unwrap();
    }
    for mode in ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] {
        let error = Store::connect(&format!("{}?ssl-mode={mode}", database.url)).await.unwrap_err();
        assert!(matches!(error, StoreError::Connection(_)), "{mode}: {error:?}");
    }
}
