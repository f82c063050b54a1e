iface hidden inet manual
