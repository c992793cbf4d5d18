import Boot
