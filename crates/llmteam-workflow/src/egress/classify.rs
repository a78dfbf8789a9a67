//! Which addresses are public.
//!
//! Invariant: only global unicast is public; whatever embeds, translates to or stands for another
//! address is not, even when that one is.
//! Follows the IANA special-purpose address registries and the ranges refused by Stripe's smokescreen.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Global unicast: the only class that may be reached without being named.
    Public,
    /// "This host" and "this network".
    Unspecified,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// The local link; cloud metadata services live here.
    LinkLocal,
    /// Behind a carrier's address translation.
    Shared,
    /// An IPv4 address in IPv6 clothes: mapped, compatible, NAT64, 6to4, Teredo.
    Translated,
    /// Many receivers.
    Multicast,
    /// Examples in documents.
    Documentation,
    /// Everything else that is not global unicast.
    Reserved,
}

impl AddressClass {
    /// The class of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => v6(address),
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Shared => "carrier-shared",
            Self::Translated => "translated",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Reserved => "reserved",
        })
    }
}

const fn net4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Network, prefix length, class; the first that fits.
const V4: &[(u32, u32, AddressClass)] = &[
    (net4(0, 0, 0, 0), 8, AddressClass::Unspecified),
    (net4(10, 0, 0, 0), 8, AddressClass::Private),
    (net4(100, 64, 0, 0), 10, AddressClass::Shared),
    (net4(127, 0, 0, 0), 8, AddressClass::Loopback),
    (net4(169, 254, 0, 0), 16, AddressClass::LinkLocal),
    (net4(172, 16, 0, 0), 12, AddressClass::Private),
    (net4(192, 0, 0, 0), 24, AddressClass::Reserved),
    (net4(192, 0, 2, 0), 24, AddressClass::Documentation),
    (net4(192, 31, 196, 0), 24, AddressClass::Reserved),
    (net4(192, 52, 193, 0), 24, AddressClass::Reserved),
    (net4(192, 88, 99, 0), 24, AddressClass::Translated),
    (net4(192, 168, 0, 0), 16, AddressClass::Private),
    (net4(192, 175, 48, 0), 24, AddressClass::Reserved),
    (net4(198, 18, 0, 0), 15, AddressClass::Reserved),
    (net4(198, 51, 100, 0), 24, AddressClass::Documentation),
    (net4(203, 0, 113, 0), 24, AddressClass::Documentation),
    (net4(224, 0, 0, 0), 4, AddressClass::Multicast),
    (net4(240, 0, 0, 0), 4, AddressClass::Reserved),
];

fn v4(address: Ipv4Addr) -> AddressClass {
    let bits = u32::from(address);
    let fits = |(net, len, _): &&(u32, u32, AddressClass)| (bits ^ net) >> (32 - len) == 0;
    V4.iter()
        .find(fits)
        .map_or(AddressClass::Public, |(_, _, class)| *class)
}

const fn net6(a: u16, b: u16, c: u16, d: u16, e: u16, f: u16) -> u128 {
    Ipv6Addr::new(a, b, c, d, e, f, 0, 0).to_bits()
}

/// Network, prefix length, class; the first that fits. What fits none is reserved: IPv6 is allowed by
/// name of its one global unicast block, not by the absence of a reason against it.
const V6: &[(u128, u32, AddressClass)] = &[
    (net6(0, 0, 0, 0, 0, 0), 128, AddressClass::Unspecified),
    (Ipv6Addr::LOCALHOST.to_bits(), 128, AddressClass::Loopback),
    (net6(0, 0, 0, 0, 0, 0), 96, AddressClass::Translated),
    (net6(0, 0, 0, 0, 0, 0xffff), 96, AddressClass::Translated),
    (net6(0, 0, 0, 0, 0xffff, 0), 96, AddressClass::Translated),
    (net6(0x64, 0xff9b, 0, 0, 0, 0), 96, AddressClass::Translated),
    (net6(0x64, 0xff9b, 1, 0, 0, 0), 48, AddressClass::Translated),
    (net6(0x2001, 0, 0, 0, 0, 0), 32, AddressClass::Translated),
    (net6(0x2001, 0, 0, 0, 0, 0), 23, AddressClass::Reserved),
    (
        net6(0x2001, 0xdb8, 0, 0, 0, 0),
        32,
        AddressClass::Documentation,
    ),
    (net6(0x2002, 0, 0, 0, 0, 0), 16, AddressClass::Translated),
    (
        net6(0x2620, 0x4f, 0x8000, 0, 0, 0),
        48,
        AddressClass::Reserved,
    ),
    (net6(0x3fff, 0, 0, 0, 0, 0), 20, AddressClass::Documentation),
    (net6(0x2000, 0, 0, 0, 0, 0), 3, AddressClass::Public),
    (net6(0xfc00, 0, 0, 0, 0, 0), 7, AddressClass::Private),
    (net6(0xfe80, 0, 0, 0, 0, 0), 10, AddressClass::LinkLocal),
    (net6(0xfec0, 0, 0, 0, 0, 0), 10, AddressClass::Private),
    (net6(0xff00, 0, 0, 0, 0, 0), 8, AddressClass::Multicast),
];

fn v6(address: Ipv6Addr) -> AddressClass {
    let bits = address.to_bits();
    let fits = |(net, len, _): &&(u128, u32, AddressClass)| (bits ^ net) >> (128 - len) == 0;
    V6.iter()
        .find(fits)
        .map_or(AddressClass::Reserved, |(_, _, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(class: AddressClass, addresses: &[&str]) {
        for text in addresses {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(AddressClass::of(address), class, "{text}");
        }
    }

    /// The first and last address of each range, and its neighbours outside.
    #[test]
    fn v4_ranges_end_where_the_registry_says() {
        check(AddressClass::Unspecified, &["0.0.0.0", "0.255.255.255"]);
        check(AddressClass::Private, &["10.0.0.0", "10.255.255.255"]);
        check(AddressClass::Private, &["172.16.0.0", "172.31.255.255"]);
        check(AddressClass::Private, &["192.168.0.0", "192.168.255.255"]);
        check(AddressClass::Shared, &["100.64.0.0", "100.127.255.255"]);
        check(AddressClass::Loopback, &["127.0.0.1", "127.255.255.255"]);
        check(AddressClass::LinkLocal, &["169.254.0.0", "169.254.169.254"]);
        check(
            AddressClass::Documentation,
            &["192.0.2.9", "198.51.100.0", "203.0.113.255"],
        );
        check(
            AddressClass::Reserved,
            &["192.0.0.170", "198.18.0.0", "198.19.255.255"],
        );
        check(AddressClass::Multicast, &["224.0.0.0", "239.255.255.255"]);
        check(AddressClass::Reserved, &["240.0.0.0", "255.255.255.255"]);
        check(
            AddressClass::Public,
            &[
                "1.0.0.0",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
            ],
        );
    }

    #[test]
    fn v6_is_public_only_in_its_global_unicast_block() {
        check(
            AddressClass::Public,
            &[
                "2606:4700::1111",
                "2a00:1450:4001::1",
                "2000::",
                "2001:200::",
            ],
        );
        check(AddressClass::Unspecified, &["::"]);
        check(AddressClass::Loopback, &["::1"]);
        check(
            AddressClass::Private,
            &["fc00::1", "fd00:ec2::254", "fdff::", "fec0::1"],
        );
        check(AddressClass::LinkLocal, &["fe80::1", "febf::1"]);
        check(AddressClass::Multicast, &["ff02::1"]);
        check(AddressClass::Documentation, &["2001:db8::1", "3fff:fff::1"]);
        check(
            AddressClass::Reserved,
            &["100::1", "5f00::1", "4000::1", "2001:2::1", "2001:1ff::1"],
        );
    }

    /// NAT64, 6to4, Teredo, mapped, translated, compatible; also when the inner address is public.
    #[test]
    fn an_address_inside_an_address_is_never_public() {
        check(
            AddressClass::Translated,
            &[
                "64:ff9b::a00:1",
                "64:ff9b::808:808",
                "64:ff9b:1::a00:1",
                "2002:a00:1::",
                "2002:808:808::",
                "2001::a00:1",
                "2001:0:4136:e378:8000:63bf:3fff:fdd2",
                "::ffff:127.0.0.1",
                "::ffff:8.8.8.8",
                "::ffff:0:127.0.0.1",
                "::127.0.0.1",
                "::7f00:1",
            ],
        );
    }
}
