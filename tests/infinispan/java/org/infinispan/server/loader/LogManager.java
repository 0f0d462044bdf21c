package org.infinispan.server.loader;

/** Of Infinispan 15's loader, which is not on Maven Central, as much as the server refers to. */
public class LogManager extends java.util.logging.LogManager {
    public void setDelegate(java.util.logging.LogManager delegate) {
    }
}
