#!/bin/sh
# What udhcpc calls with the lease in its environment.
umask 022
case "$1" in
deconfig)
    ip -4 addr flush dev "$interface"
    ip link set "$interface" up
    ;;
bound | renew)
    ip -4 addr flush dev "$interface"
    ip addr add "$ip/${mask:-24}" brd + dev "$interface"
    [ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
    # RFC 3442: when option 121 is there, option 3 is ignored.
    if [ -n "$staticroutes" ]; then
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            if [ "$2" = 0.0.0.0 ]; then
                ip route replace "$1" dev "$interface"
            else
                ip route replace "$1" via "$2" dev "$interface" onlink
            fi
            shift 2
        done
    elif [ -n "$router" ]; then
        ip route replace default via "${router%% *}" dev "$interface"
    fi
    if [ -n "$dns$domain" ] && [ -n "$ISOSPIN_NETNS" ]; then
        mkdir -p "/etc/netns/$ISOSPIN_NETNS"
        {
            [ -n "$domain" ] && echo "search $domain"
            for server in $dns; do echo "nameserver $server"; done
        } >"/etc/netns/$ISOSPIN_NETNS/resolv.conf"
    fi
    ;;
esac
