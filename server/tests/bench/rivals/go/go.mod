module headstart/rivals/hedger

go 1.24
