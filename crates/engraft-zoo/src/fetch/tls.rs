//! How https is spoken: rustls with cryptography that needs no C compiler, and the certificates of the system.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured where the system keeps its certificates in files.

use ureq::tls::TlsConfig;

/// The settings for https.
///
/// # Errors
/// In words, if this processor cannot do the cryptography.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn settings() -> Result<TlsConfig, String> {
    // Without this check the library would panic.
    if !graviola::util::is_cpu_supported() {
        return Err("this processor lacks the AES or vector instructions that https needs here".to_owned());
    }
    let cryptography = std::sync::Arc::new(rustls_graviola::default_provider());
    let settings = TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier);
    Ok(settings.unversioned_rustls_crypto_provider(cryptography).build())
}

/// The settings for https, which there are none of.
///
/// # Errors
/// Always, in words.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn settings() -> Result<TlsConfig, String> {
    Err("https is spoken on x86-64 and arm64 only".to_owned())
}
