//! The service of the demo: an unmodified HTTP server that answers with what it was asked.

use std::{io, net::SocketAddr};

use axum::{Router, extract::Request};

/// Serves until the process ends; answers where.
pub(super) fn serve() -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("echo".to_owned()).spawn(move || {
        let served: io::Result<()> = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, Router::new().fallback(echo)).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the echo service ended");
        }
    })?;
    Ok(address)
}

/// The request line and headers, then the body, as they arrived.
async fn echo(request: Request) -> Vec<u8> {
    let (head, body) = request.into_parts();
    let mut answer = format!("{} {} {:?}\n", head.method, head.uri, head.version).into_bytes();
    for (name, value) in &head.headers {
        answer.extend_from_slice(format!("{name}: ").as_bytes());
        answer.extend_from_slice(value.as_bytes());
        answer.push(b'\n');
    }
    const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
    if let Ok(bytes) = axum::body::to_bytes(body, BODY_BYTES_MAX).await
        && !bytes.is_empty()
    {
        answer.push(b'\n');
        answer.extend_from_slice(&bytes);
    }
    answer
}
