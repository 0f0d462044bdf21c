//! The protocol that Sitefence replaces, as the guide's function has it, under the same checker.
//!
//! On an alert it reads the endpoint group. With two endpoints in it, it removes the suspect's, then takes the
//! suspect offline at the reporter's Infinispan; with fewer it has nothing to do. Nothing is remembered. What
//! is asked here is what people propose first: would a lock do?
//!
//! This is a model of another program, so it is written down by hand; what it shows is that the checker finds
//! what is wrong, and in how few steps.

use stateright::{Checker, Model, Property};

use crate::grounds::Site;

/// What is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Are never both sites cut off from each other, each writing alone?
    NeverBothDetached,
    /// Is there always an endpoint left?
    AnEndpointIsLeft,
    /// Does one retry without faults complete what was begun?
    OneRetryCompletes,
}

#[derive(Debug, Clone, Copy)]
pub struct Guide {
    /// Whether invocations exclude each other, by a lock that is never lost and is free again when its holder dies.
    pub lock: bool,
    /// Whether an invocation may die.
    pub crash: bool,
    pub question: Question,
}

/// How far an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// It was not delivered yet.
    Waiting,
    /// It is going to read the endpoint group.
    Read,
    /// It is going to remove the suspect's endpoint.
    Remove,
    /// It is going to take the suspect offline.
    Detach,
    /// It answered 200, 204, or died.
    Over,
}

/// The world and both sites' invocations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scene {
    endpoints: [bool; 2],
    /// Who no longer replicates to the other.
    detached: [bool; 2],
    /// Each site's alert.
    alerts: [At; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The alert of this site goes on.
    Go(Site),
    Die(Site),
}

impl Scene {
    fn holder(&self) -> Option<Site> {
        Site::ALL
            .into_iter()
            .find(|site| !matches!(self.alerts[site.index()], At::Waiting | At::Over))
    }

    fn go(&mut self, site: Site) {
        let (own, other) = (site.index(), site.other().index());
        self.alerts[own] = match self.alerts[own] {
            At::Waiting => At::Read,
            At::Read if self.endpoints == [true, true] => At::Remove,
            At::Read => At::Over,
            At::Remove => {
                self.endpoints[other] = false;
                At::Detach
            }
            At::Detach => {
                self.detached[own] = true;
                At::Over
            }
            At::Over => At::Over,
        };
    }

    fn over(&self) -> bool {
        self.alerts.iter().all(|at| *at == At::Over)
    }
}

impl Model for Guide {
    type State = Scene;
    type Action = Action;

    fn init_states(&self) -> Vec<Scene> {
        vec![Scene {
            endpoints: [true; 2],
            detached: [false; 2],
            alerts: [At::Waiting; 2],
        }]
    }

    fn actions(&self, scene: &Scene, actions: &mut Vec<Action>) {
        for site in Site::ALL {
            let at = scene.alerts[site.index()];
            let locked = self.lock && at == At::Waiting && scene.holder().is_some();
            if at != At::Over && !locked {
                actions.push(Action::Go(site));
            }
            if self.crash && !matches!(at, At::Waiting | At::Over) {
                actions.push(Action::Die(site));
            }
        }
    }

    fn next_state(&self, scene: &Scene, action: Action) -> Option<Scene> {
        let mut next = scene.clone();
        match action {
            Action::Go(site) => next.go(site),
            Action::Die(site) => next.alerts[site.index()] = At::Over,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![match self.question {
            Question::NeverBothDetached => Property::always("never both detached", |_, scene: &Scene| {
                scene.detached != [true; 2]
            }),
            Question::AnEndpointIsLeft => Property::always("an endpoint is left", |_, scene: &Scene| {
                scene.endpoints != [false; 2]
            }),
            Question::OneRetryCompletes => Property::always("one retry completes", |_, scene: &Scene| {
                !scene.over() || Site::ALL.into_iter().any(|site| retried(scene, site))
            }),
        }]
    }
}

/// Whether a retry of this site's alert, alone and without faults, leaves it serving with replication cut.
fn retried(scene: &Scene, site: Site) -> bool {
    let mut scene = scene.clone();
    scene.alerts[site.index()] = At::Waiting;
    while scene.alerts[site.index()] != At::Over {
        scene.go(site);
    }
    scene.endpoints[site.index()] && !scene.endpoints[site.other().index()] && scene.detached[site.index()]
}

/// The shortest way to a "no", in sentences; nothing where the answer is "yes".
pub fn refuted(guide: Guide) -> Option<Vec<String>> {
    let checker = guide.checker().spawn_bfs().join();
    let path = checker.discoveries().into_values().next()?;
    let steps = path.into_vec().into_iter();
    Some(
        steps
            .filter_map(|(scene, action)| Some(sentence(&scene, action?)))
            .collect(),
    )
}

fn sentence(scene: &Scene, action: Action) -> String {
    match action {
        Action::Die(site) => format!("the function that {}'s alert called dies", site.as_str()),
        Action::Go(site) => {
            let (own, other) = (site.as_str(), site.other().as_str());
            match scene.alerts[site.index()] {
                At::Waiting => format!("{own} reports {other}"),
                At::Read => {
                    let left = scene.endpoints.iter().filter(|in_it| **in_it).count();
                    let plural = if left == 1 { "" } else { "s" };
                    format!("{own}'s alert reads the endpoint group: {left} endpoint{plural}")
                }
                At::Remove => format!("{own}'s alert removes {other}'s endpoint"),
                At::Detach => format!("{own}'s alert takes {other} offline at {own}"),
                At::Over => format!("{own}'s alert is over"),
            }
        }
    }
}
