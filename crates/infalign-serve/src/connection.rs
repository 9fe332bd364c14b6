//! Connections: taken as far as there is room, closed when they are overdue, let finish when the service stops.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::{
    gate::Counted,
    state::State,
    stream::{Watch, Watched},
};

/// Bytes of a head. What is larger is refused before it is read to the end.
const HEAD: usize = 32 << 10;

/// Fields of a head.
const FIELDS: usize = 100;

/// What all connections share.
pub(crate) struct Server {
    pub(crate) state: Arc<State>,
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Takes connections until `stop`, then waits for those that are open, at most for the time of grace.
pub(crate) async fn accept(server: Server, listener: TcpListener, stop: impl Future<Output = ()>) {
    let limits = server.state.settings.limits;
    let server = Arc::new(server);
    let room = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (taken, permit) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        match (taken, permit) {
            (Ok((stream, _)), Some(permit)) => {
                tokio::spawn(connection(
                    Arc::clone(&server),
                    stream,
                    stopped.clone(),
                    permit,
                ));
            }
            // The client has gone already, or the process has no handle left: then others have to be closed first.
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    let grace = server.state.settings.grace;
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    // Whoever is still there after the time of grace is left behind.
    let _ = stopping.send(true);
    let _ = tokio::time::timeout(grace, room.acquire_many(all)).await;
}

async fn connection(
    server: Arc<Server>,
    stream: TcpStream,
    stopped: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) {
    let _counted = Counted::new(&server.state.metrics.connections);
    // An answer is small and is not to wait for more.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &server.tls else {
        return speak(&server, stream, stopped).await;
    };
    let head = server.state.settings.limits.head;
    if let Ok(Ok(stream)) = tokio::time::timeout(head, tls.accept(stream)).await {
        speak(&server, stream, stopped).await;
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    stream: S,
    mut stopped: watch::Receiver<bool>,
) {
    let watch = Arc::new(Watch::new());
    let answers = service_fn(|request: Request<Incoming>| {
        watch.busy();
        let answer = server.router.clone().call(request);
        let watch = Arc::clone(&watch);
        async move {
            let answer = answer.await;
            watch.idle();
            answer
        }
    });
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&watch)));
    let spoken = http1::Builder::new()
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .header_read_timeout(None)
        .serve_connection(stream, answers);
    let limits = &server.state.settings.limits;
    let mut overdue = pin!(watch.overdue(limits.head, limits.idle));
    let mut spoken = pin!(spoken);
    let mut stopping = false;
    loop {
        tokio::select! {
            // A client that breaks off is no fault of the service, and nothing can be said to it.
            _ = &mut spoken => return,
            () = &mut overdue => return,
            _ = stopped.wait_for(|stopped| *stopped), if !stopping => {
                stopping = true;
                spoken.as_mut().graceful_shutdown();
            }
        }
    }
}
