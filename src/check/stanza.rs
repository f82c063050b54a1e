//! A stanza that is checked: what it asks for, as far as the file says, beside where that is
//! written; and what there is to say of it alone.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::finding::{Code, Finding};
use super::origin::Written;
use crate::ifupdown::interfaces::Definition;
use crate::ifupdown::HookCall;
use crate::marks::Allotted;
use crate::routing::{
    Action, InterfaceAddress, InterfaceName, Mark, Rule, State, Surroundings, TableId, TableName,
    PROTOCOL,
};
use crate::stanza::{
    refuses_by_rules, wanted_state, Connmark, Notice, Observed, OptionError, OptionFault, Stanza,
    Table, TableIds,
};
use crate::tables::next_free_id;

/// A stanza without errors. It need have no policy routing: what it does to others counts, too.
#[derive(Debug)]
pub struct CheckedStanza<'a> {
    pub written: Rc<Written<'a>>,
    /// What ifupdown makes of it.
    pub definition: &'a Definition,
    /// The interface that it is for.
    pub interface: InterfaceName,
    /// What the hook is told.
    pub call: HookCall,
    /// Its address, where it says one.
    pub address: Option<InterfaceAddress>,
    /// Its policy routing; `None` if it has none.
    pub policy: Option<Policy>,
}

/// What a stanza asks for.
#[derive(Debug)]
pub struct Policy {
    pub stanza: Stanza,
    /// Its own table.
    pub table: Option<TableId>,
    /// Routes and rules, of those that follow from the file alone.
    pub state: State,
    /// Whether a default route of its table that drops packets is rules.
    pub refuses_by_rules: bool,
    /// What the administrator should know of how they came about.
    pub notices: Vec<Notice>,
    tables: TableIds,
}

/// The IDs of the tables that the stanzas of a file name: those that are known, else those that
/// ifup would give them.
#[derive(Debug, Default)]
pub struct Ids {
    known: HashMap<TableName, TableId>,
    used: HashSet<TableId>,
    marks: Allotted,
}

impl Ids {
    /// None yet, but no name gets a number that one of the stanzas uses as it stands.
    pub fn beside<'a>(stanzas: impl Iterator<Item = &'a Stanza>) -> Self {
        Self {
            known: HashMap::new(),
            used: stanzas.flat_map(Stanza::numbers).collect(),
            marks: Allotted::default(),
        }
    }

    /// Gives a name its ID, unless it has one.
    pub fn set(&mut self, name: &TableName, id: TableId) {
        self.known.entry(name.clone()).or_insert(id);
        self.used.insert(id);
    }

    /// Gives each name of a stanza that has no ID yet the one that the stanza says, or the next one
    /// that is free.
    pub fn fill(&mut self, stanza: &Stanza) {
        self.fill_names(stanza);
        let ids = self.of(stanza);
        if let Some(own) = ids.own().filter(|_| stanza.connmark == Connmark::Auto) {
            let name = match &stanza.table {
                Some(Table::Named(name, _)) => Some(name),
                _ => None,
            };
            let _ = self.marks.mark(own, name);
        }
    }

    fn fill_names(&mut self, stanza: &Stanza) {
        let own = match &stanza.table {
            Some(Table::Named(name, fixed)) => Some((name, fixed.as_ref().map(|fixed| fixed.id))),
            _ => None,
        };
        let others = stanza.names_in_lines().map(|name| (name, None));
        for (name, fixed) in own.into_iter().chain(others) {
            if self.known.contains_key(name) {
                continue;
            }
            // Two names with one ID are a finding about the second, which must not look as if its
            // routes were in the first one's table.
            let fixed = fixed.filter(|id| !self.used.contains(id));
            let id = fixed.unwrap_or_else(|| next_free_id(name, |id| self.used.contains(&id)));
            self.set(name, id);
        }
    }

    fn of(&self, stanza: &Stanza) -> TableIds {
        let known = |name: &TableName, _| self.known.get(name).copied().ok_or(());
        let ids = TableIds::of(stanza, known).unwrap_or_default();
        let (name, own) = match (&stanza.table, ids.own()) {
            (Some(Table::Named(name, _)), Some(own)) => (Some(name), own),
            (_, Some(own)) => (None, own),
            (_, None) => return ids,
        };
        // That they are all taken, ifup says.
        let mark = match stanza.connmark {
            Connmark::No => None,
            Connmark::Given(mark) => Some(mark),
            Connmark::Auto => self.marks.clone().mark(own, name).ok(),
        };
        ids.with_mark(mark)
    }
}

impl Policy {
    /// What a stanza asks for, as far as the file says.
    pub fn of(stanza: Stanza, ids: &Ids) -> Result<Self, Vec<OptionError>> {
        let tables = ids.of(&stanza);
        let found = Observed {
            addresses: stanza.address.into_iter().collect(),
            ..Observed::default()
        };
        let (state, notices) = wanted_state(&stanza, &tables, &found)?;
        Ok(Self {
            refuses_by_rules: refuses_by_rules(&stanza, &tables),
            stanza,
            table: tables.own(),
            state,
            notices,
            tables,
        })
    }
}

impl Policy {
    /// Whether a rule is one that the mark needs: of this stanza, or of another one with the same mark
    /// and table.
    pub fn has_mark_rule(&self, rule: &Rule) -> bool {
        let own = |action: Action| match action {
            Action::Lookup(table) => Some(table) == self.table,
            Action::Goto(_) => rule.iif.is_some(),
            _ => false,
        };
        let is_same = self
            .mark()
            .is_some_and(|mark| rule.mark == Some((mark.value(), mark.mask())));
        is_same && rule.protocol == PROTOCOL && own(rule.action)
    }

    /// The mark of connections that come in by its interface.
    pub fn mark(&self) -> Option<Mark> {
        self.tables.mark().filter(|_| self.stanza.derives())
    }

    /// The routes and rules that it comes to with the addresses that its interface has now, where it
    /// goes by them.
    pub fn with_addresses_of(&self, around: &Surroundings) -> State {
        let stanza = &self.stanza;
        if !stanza.asks_address() && !stanza.asks_all() {
            return self.state.clone();
        }
        let there = around.links.addresses_of(&stanza.interface).into_iter();
        let there = there.filter(|own| own.family() == stanza.family);
        let mut addresses: Vec<InterfaceAddress> = stanza.address.into_iter().collect();
        addresses.extend(there.filter(|own| Some(*own) != stanza.address));
        let found = Observed {
            addresses,
            ..Observed::default()
        };
        let wanted = wanted_state(stanza, &self.tables, &found);
        wanted.map_or_else(|_| self.state.clone(), |(state, _)| state)
    }
}

impl CheckedStanza<'_> {
    /// The device of the interface, which may be an alias.
    pub fn device(&self) -> InterfaceName {
        self.interface.device()
    }

    /// Whether the two stanzas are of different devices.
    pub fn is_on_other_device(&self, other: &Self) -> bool {
        self.device() != other.device()
    }

    /// The stanza as another one's finding names it.
    pub fn named(&self) -> String {
        format!("{} ({})", self.interface, self.written.head())
    }

    /// What `ifup` would warn of.
    pub fn notices(&self) -> Vec<Finding> {
        let Some(policy) = &self.policy else {
            return Vec::new();
        };
        if policy.stanza.asks_gateway() {
            // Another program gives the interface its router: the file cannot say which.
            return Vec::new();
        }
        let notices = policy.notices.iter();
        notices.filter_map(|notice| self.notice(notice)).collect()
    }

    fn notice(&self, notice: &Notice) -> Option<Finding> {
        let place = || self.written.of_option("policy-table");
        Some(match notice {
            Notice::Guessed(first) => Finding::at(
                Code::Guessed,
                place(),
                format!(
                    "no gateway is named; {first}, the first address of the network, will be \
                     taken for the router"
                ),
            )
            .hint(format!(
                "write policy-gateway {first} if that is right, or policy-gateway none"
            )),
            // The router of a single address is always elsewhere.
            Notice::Onlink(_, network) if network.is_host() => return None,
            Notice::Onlink(gateway, network) => Finding::at(
                Code::Onlink,
                self.written.of_first(&["policy-gateway", "gateway"]),
                format!("gateway {gateway} is outside {network}; its route will be marked onlink"),
            )
            .hint("the router has to answer ARP for it on this link"),
            Notice::NoDefault(table, network) => Finding::at(
                Code::NoDefault,
                place(),
                format!("no default route in table {table}: the router of {network} is not known"),
            )
            .hint("write policy-gateway ADDRESS, or policy-gateway none"),
            Notice::NoNetwork(_) | Notice::Kept(..) => return None,
        })
    }

    /// What programs that put rules of their own in front of all others make of its rules.
    pub fn beside_vpns(&self) -> Vec<Finding> {
        let Some(policy) = &self.policy else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        for (line, rule) in &policy.stanza.rules {
            if rule.priority < LOWEST {
                let text = format!(
                    "a rule at priority {}: rules that come later without a priority, as those of \
                     wg-quick, all get 0 and stand in reversed order",
                    rule.priority
                );
                let place = self.written.of_option(&line.option);
                let hint = format!("write priority {LOWEST} or higher");
                findings.push(Finding::at(Code::LowPriority, place, text).hint(hint));
            }
        }
        let written = policy.stanza.table.as_ref().map(Table::to_string);
        let written = written.filter(|table| table.starts_with(OF_WG_QUICK));
        if let Some(table) = written {
            let text = format!(
                "\"lookup {table}\" begins like the rules that wg-quick looks for, and wg-quick down \
                 deletes them or fails"
            );
            let place = self.written.of_option("policy-table");
            let hint = format!("choose one that does not begin with {OF_WG_QUICK}");
            findings.push(Finding::at(Code::LikeWgQuick, place, text).hint(hint));
        }
        findings
    }
}

/// The lowest priority below which the kernel finds two more, which is what wg-quick(8) needs.
const LOWEST: u32 = 2;

/// The table of wg-quick(8), which it looks for in the text that `ip rule show` prints.
const OF_WG_QUICK: &str = "51820";

/// The errors of a stanza as findings.
pub fn of_errors(written: &Written<'_>, errors: &[OptionError]) -> Vec<Finding> {
    let findings = errors.iter().map(|error| of_error(written, error));
    findings.collect()
}

fn of_error(written: &Written<'_>, error: &OptionError) -> Finding {
    let finding = Finding::at(code(error), written.of_error(error), error.statement());
    let inherited = match &*error.fault {
        OptionFault::Repeated(_) => written.of_inherited(&error.option),
        _ => None,
    };
    match (inherited, error.suggestion()) {
        (Some(place), _) => finding.hint(format!(
            "the value at {place} is inherited, and ifupdown joins the two"
        )),
        (None, Some(suggestion)) => finding.hint(suggestion),
        (None, None) => finding,
    }
}

/// The number under which an error is explained.
fn code(error: &OptionError) -> Code {
    match &*error.fault {
        OptionFault::Unknown(_) => Code::UnknownOption,
        OptionFault::Line(_)
        | OptionFault::NeedsAction
        | OptionFault::Protocol
        | OptionFault::NoRouterOnLoopback => Code::Line,
        OptionFault::Repeated(_)
        | OptionFault::NeedsTable
        | OptionFault::IdTwice
        | OptionFault::SamePlace(_)
        | OptionFault::SubnetIsAll(_)
        | OptionFault::TooMany(_)
        | OptionFault::NoRoomBehind(_)
        | OptionFault::NoAddress(_) => Code::Together,
        _ => Code::Value,
    }
}
