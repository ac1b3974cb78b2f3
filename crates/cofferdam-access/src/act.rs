//! The acts that need a permit, as types: a function that takes `&Permit<Erase>` cannot be called with a permit to read.

mod sealed {
    pub trait Sealed {}
}

/// Something that needs a permit. Only this crate has acts.
pub trait Act: sealed::Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// The act's name in audit leaves, e.g. `radius.read`.
    const NAME: &'static str;
    /// Whether the product's own jobs may do it without a person asking.
    const BY_SYSTEM: bool;
    /// Whether a script with a project's query secret may do it.
    const BY_SCRIPT: bool;
}

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal, by system: $system:literal, by script: $script:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $act {}
            impl sealed::Sealed for $act {}
            impl Act for $act {
                const NAME: &'static str = $name;
                const BY_SYSTEM: bool = $system;
                const BY_SCRIPT: bool = $script;
            }
        )*
        /// Every act: its name, and whether system jobs and scripts may do it.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, bool, bool)] = &[$(($name, $system, $script),)*];
    };
}

acts! {
    /// Read a report over groups of people.
    ReadReport = "report.read", by system: true, by script: true;
    /// Keep and change saved reports, dashboards and annotations.
    WriteReport = "report.write", by system: false, by script: false;
    /// Keep and change alerts and digests: who is sent what by mail.
    WriteAlert = "alert.write", by system: false, by script: false;
    /// Send mails of alerts and digests.
    SendMail = "mail.send", by system: true, by script: false;
    /// Read which fields of how many people went to a vendor.
    ReadRadius = "radius.read", by system: true, by script: false;
    /// Read who a person is: ids, contacts, lists of people.
    ReadPeople = "people.read", by system: false, by script: false;
    /// Read single events.
    ReadEvents = "events.read", by system: false, by script: true;
    /// Ask the event store in SQL: rows of single people, chosen freely, so that no group is folded.
    RunSql = "sql.run", by system: false, by script: false;
    /// Read the configuration, fields and findings.
    ReadConfig = "config.read", by system: true, by script: false;
    /// Change the configuration or the fields.
    WriteConfig = "config.write", by system: false, by script: false;
    /// Stop a vendor.
    Contain = "vendor.contain", by system: true, by script: false;
    /// Let data flow to a stopped vendor again: only a person decides that.
    Resume = "vendor.resume", by system: false, by script: false;
    /// Forget a person.
    Erase = "person.erase", by system: true, by script: false;
    /// Take history in, from a file.
    Import = "data.import", by system: false, by script: false;
    /// Copy data out.
    Export = "data.export", by system: false, by script: false;
    /// Rotate, back up or destroy keys.
    ManageKeys = "keys.manage", by system: true, by script: false;
    /// Read the audit log.
    ReadAudit = "audit.read", by system: true, by script: false;
}
