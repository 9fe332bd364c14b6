//! The service: its parts put together, its threads, its beginning and end.

use std::{
    future::Future,
    io,
    sync::{Arc, mpsc},
};

use tokio::net::{TcpListener, TcpSocket};

use crate::{
    calibrations::Calibrations,
    connection::{Server, accept},
    error::{Error, Result},
    known::{Known, KnownPrompt},
    metrics::Metrics,
    queue::{self, Queue},
    rolling::{self, Rolling},
    routes,
    seam::{Opening, Rewarder, Roller},
    settings::{Parts, Settings, Unknown},
    shaping::{Phi, Shaping},
    state::{Phase, Policy, State},
    threads::Threads,
    tls::acceptor,
};

/// A reward service whose settings are checked; its reward is opened when it is served.
pub struct Service {
    server: Server,
    prompts: Vec<KnownPrompt>,
    reward: Option<(Opening<dyn Rewarder>, mpsc::Receiver<queue::Job>)>,
    roller: Option<(Opening<dyn Roller>, usize, mpsc::Receiver<rolling::Draw>)>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// # Errors
    /// [`Error::Setting`], [`Error::Settings`], [`Error::Tls`].
    pub fn new(settings: Settings, parts: Parts) -> Result<Self> {
        settings.validate()?;
        parts.validate(settings.batching.queue)?;
        let tls = settings.tls.as_ref().map(acceptor).transpose()?;
        let Parts {
            calibration,
            prompts,
            reward,
            unknown,
            log,
        } = parts;
        let limits = settings.limits;
        let metrics = Arc::new(Metrics::new());
        let calibrations =
            Calibrations::new(calibration, limits.added_rewards, limits.rolled_prompts);
        let calibrations = Arc::new(calibrations);
        let (queue, jobs) = Queue::new(settings.batching.queue);
        let queue = Arc::new(queue);
        let phi = Phi {
            transform: settings.transform.clone(),
            procedure: settings.procedure.clone(),
            kl: None,
        };
        let shaping = Shaping::new(phi, settings.rule);
        let (unknown, roller) = match unknown {
            Unknown::Error => (Policy::Error, None),
            Unknown::Pooled => (Policy::Pooled, None),
            Unknown::Rollout { k, seed, roller } => {
                let (rolling, draws) = Rolling::new(
                    seed,
                    Arc::clone(&calibrations),
                    Arc::clone(&queue),
                    Arc::clone(&metrics),
                );
                (Policy::Rollout(Arc::new(rolling)), Some((roller, k, draws)))
            }
        };
        let state = Arc::new(State::new(
            settings,
            calibrations,
            shaping,
            queue,
            unknown,
            metrics,
            log,
        ));
        let server = Server {
            router: routes::router(&state),
            state,
            tls,
        };
        Ok(Self {
            server,
            prompts,
            reward: reward.map(|reward| (reward, jobs)),
            roller,
        })
    }

    /// Serves on a listener until `stop` is ready, then answers what it has taken, for as long as the time of grace lasts. Meanwhile
    /// the reward is opened; until it is, only `/healthz`, `/readyz`, `/metrics` and the like are answered with more than 503.
    ///
    /// # Errors
    /// [`Error::Opening`] where the reward or the policy does not open; [`Error::Broken`] where one panics; [`Error::Thread`].
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        let Self {
            server,
            prompts,
            reward,
            roller,
        } = self;
        let state = Arc::clone(&server.state);
        let mut threads = Threads::new();
        open(&mut threads, &state, prompts, reward, roller)?;
        let (open, opening) = (threads.open(), Arc::clone(&state));
        let ready = tokio::spawn(async move {
            open.await;
            opening.reach(Phase::Ready);
        });
        let mut outcome = Ok(());
        let ended = async {
            tokio::select! {
                () = stop => {}
                error = threads.failure() => outcome = Err(error),
            }
            state.reach(Phase::Stopping);
        };
        accept(server, listener, ended).await;
        ready.abort();
        // The queues end with the state, and the threads with the queues.
        drop(state);
        threads.end().await;
        outcome
    }
}

/// Starts the threads of the service.
fn open(
    threads: &mut Threads,
    state: &Arc<State>,
    prompts: Vec<KnownPrompt>,
    reward: Option<(Opening<dyn Rewarder>, mpsc::Receiver<queue::Job>)>,
    roller: Option<(Opening<dyn Roller>, usize, mpsc::Receiver<rolling::Draw>)>,
) -> Result<()> {
    let this = Arc::clone(state);
    threads.start("prompts", move |open| {
        let known = match this.calibrations.table() {
            Some(table) if prompts.is_empty() => Known::ids(table),
            _ => Known::new(prompts),
        };
        let _ = this.known.set(known);
        if matches!(this.unknown, Policy::Pooled) {
            this.calibrations.pooled();
        }
        let _ = open.send(());
        Ok(())
    })?;
    if let Some((reward, jobs)) = reward {
        let (named, metrics) = (Arc::downgrade(state), Arc::clone(&state.metrics));
        let batching = state.settings.batching;
        threads.start("reward", move |open| {
            let mut reward = reward()?;
            if let Some(state) = named.upgrade() {
                let _ = state.reward.set(Some(reward.name().to_owned()));
            }
            let _ = open.send(());
            queue::work(reward.as_mut(), &jobs, batching, &metrics);
            Ok(())
        })?;
    } else {
        let _ = state.reward.set(None);
    }
    if let Some((roller, k, draws)) = roller {
        threads.start("policy", move |open| {
            let mut roller = roller()?;
            let _ = open.send(());
            rolling::work(roller.as_mut(), k, &draws);
            Ok(())
        })?;
    }
    Ok(())
}

/// Serves until `stop`, on a runtime of its own: what the program calls. `listening` is told the address when it is bound.
///
/// # Errors
/// As [`Service::new`] and [`Service::serve`]; [`Error::Listen`].
pub fn run(
    settings: Settings,
    parts: Parts,
    listening: impl FnOnce(std::net::SocketAddr),
    stop: impl Future<Output = ()> + Send,
) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if settings.threads > 0 {
        runtime.worker_threads(settings.threads);
    }
    let runtime = runtime.enable_all().build().map_err(Error::Thread)?;
    let address = settings.listen;
    let service = Service::new(settings, parts)?;
    let outcome = runtime.block_on(async {
        let refused = |source| Error::Listen {
            address: address.to_string(),
            source,
        };
        let listener = listen(address).map_err(refused)?;
        listening(listener.local_addr().map_err(refused)?);
        service.serve(listener, stop).await
    });
    // Connections that outlived the time of grace are not waited for.
    runtime.shutdown_background();
    outcome
}

/// Connections that the system keeps until they are taken. Trainers open thousands at once, one to a sample; those that find no room try again only
/// a second later.
const BACKLOG: u32 = 4096;

fn listen(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A switch that ends a service from any thread, such as a handler of signals, and the future that it ends it by.
pub fn switch() -> (Switch, impl Future<Output = ()> + Send) {
    let (send, receive) = tokio::sync::watch::channel(false);
    let stopped = async move {
        let mut receive = receive;
        if receive.wait_for(|stopped| *stopped).await.is_err() {
            // The switch is gone, so nobody will use it.
            std::future::pending::<()>().await;
        }
    };
    (Switch(send), stopped)
}

/// Ends a service.
#[derive(Debug, Clone)]
pub struct Switch(tokio::sync::watch::Sender<bool>);

impl Switch {
    /// Ends it; a second time does nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
