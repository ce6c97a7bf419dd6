"""A small ticket shop: Django on MySQL."""

from importlib.util import find_spec

if find_spec("MySQLdb") is None:
    # Django's own choice of driver is mysqlclient; PyMySQL can stand in for it.
    import pymysql

    pymysql.install_as_MySQLdb()
