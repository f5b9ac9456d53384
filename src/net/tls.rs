//! TLS towards a server: whom to trust, and a session for one connection.
//!
//! One configuration, made with the client, serves all connections, and with it one cache of sessions.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::sync::Arc;

/// What the sessions of one client share.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts Mozilla's list and the certificates in `trusted`, each of which is text in PEM format.
    ///
    /// # Errors
    ///
    /// The text that holds no certificates, with the reason.
    pub(crate) fn new(trusted: &[Vec<u8>]) -> Result<Tls, (&[u8], String)> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for pem in trusted {
            add(&mut roots, pem).map_err(|why| (&pem[..], why))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls { config: Arc::new(config) })
    }

    /// A session with the server of this name or address, its handshake yet to come.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub(crate) fn session(&self, host: String) -> Result<ClientConnection, String> {
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        ClientConnection::new(self.config.clone(), name).map_err(|error| error.to_string())
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("none found".to_owned()) }
}
